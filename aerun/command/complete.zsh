(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }
_aerun() {
    local -a replies
    replies=(${(f)"$(COMP_LINE="${(j: :)words[1,CURRENT]}" ${(e)words[1]} -sc query=zsh 2>/dev/null)"})
    if (( $#replies )); then
        compadd -- ${replies:#(*[=./]|*\[*)}
        compadd -S '' -- ${(M)replies:#(*[=./]|*\[*)}
    else
        compset -P '*='
        _files
    fi
}
compdef _aerun aerun
# uninstall: compdef -d aerun; unfunction _aerun
