_aerun() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:]/} head= reply
    local word=${line##* }
    [[ -n $breaks && $word == *[$breaks]* ]] && head=${word%"${word##*[$breaks]}"}
    COMPREPLY=()
    for reply in $(COMP_LINE=$line "${1/#\~/$HOME}" -sc query=bash 2>/dev/null); do
        [[ $reply == *[=./] || $reply == *\[* || $word == [\'\"]* ]] || reply+=" "
        COMPREPLY+=("${reply#"$head"}")
    done
}
complete -o nospace -o default -F _aerun aerun
# uninstall: complete -r aerun; unset -f _aerun
