# bash completion of musterctl. Verbs and options are read from --help, nodes and
# versions from musterd: nothing here has to be kept in step.

_musterctl_verbs() {
        musterctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_musterctl() {
        local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= i operands=0

        COMPREPLY=()
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --version | --sha256 | --binary | --signers | --need | --reason | --at-time | --at-height | \
                        --since | --lines | -n | --property | -p | --manifest | --limit-rate | --strip | --name | \
                        --level)
                        [ -n "$verb" ] && ((i++))
                        ;;
                -*) ;;
                *)
                        if [ -z "$verb" ]; then
                                verb=${COMP_WORDS[i]}
                        else
                                operands=$((operands + 1))
                        fi
                        ;;
                esac
        done

        case $before in
        --signers | --binary | --manifest)
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
        -p | --property)
                mapfile -t COMPREPLY < <(compgen -W "$(musterctl show "${COMP_WORDS[2]}" 2>/dev/null | sed 's/=.*//')" -- "$current")
                return
                ;;
        --version | --sha256 | --need | --reason | --at-time | --at-height | --since | --lines | -n | \
                --limit-rate | --strip | --name | --level)
                [ -n "$verb" ] && return
                ;;
        esac

        if [[ $current == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$(musterctl $verb --help 2>/dev/null | grep -o -e '--[a-z0-9-]*')" -- "$current")
        elif [ -z "$verb" ]; then
                mapfile -t COMPREPLY < <(compgen -W "$(_musterctl_verbs)" -- "$current")
        elif [ "$verb" = config ]; then
                case $operands:$before in
                0:*) mapfile -t COMPREPLY < <(compgen -W "check show" -- "$current") ;;
                1:show) mapfile -t COMPREPLY < <(compgen -W "$(musterctl list --names 2>/dev/null)" -- "$current") ;;
                *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
                esac
        elif [ "$verb" = snapshot ]; then
                case $operands in
                0) mapfile -t COMPREPLY < <(compgen -W "create" -- "$current") ;;
                1) mapfile -t COMPREPLY < <(compgen -W "$(musterctl list --names 2>/dev/null)" -- "$current") ;;
                esac
        elif [ "$operands" -eq 0 ]; then
                case $verb in
                freeze | thaw | reload | list) ;;
                *) mapfile -t COMPREPLY < <(compgen -W "$(musterctl list --names 2>/dev/null)" -- "$current") ;;
                esac
        elif [ "$verb" = upgrade ] && [ "$operands" -eq 1 ]; then
                mapfile -t COMPREPLY < <(compgen -W "$(musterctl show "$before" -p staged --value 2>/dev/null)" -- "$current")
        elif [ "$verb" = stage ] || [ "$verb" = restore ]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
        elif [ "$verb" = status ]; then
                mapfile -t COMPREPLY < <(compgen -W "$(musterctl list --names 2>/dev/null)" -- "$current")
        fi
}

complete -o filenames -F _musterctl musterctl
