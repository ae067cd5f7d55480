function __aerun_complete
    set -lx COMP_LINE (commandline -cp | string collect)
    set -l word (commandline -ct | string collect)
    set -l replies (eval (commandline -po)[1] -sc query=fish 2>/dev/null | string match -r '.+')
    if test (count $replies) -gt 0
        printf '%s\n' $replies
    else
        set -l head (string match -r '^.*=' -- $word)
        __fish_complete_path (string replace -r '^.*=' '' -- $word) | string replace -r '^' "$head"
    end
end
complete -c aerun -f -a '(__aerun_complete)'
# uninstall: complete -e -c aerun; functions -e __aerun_complete
