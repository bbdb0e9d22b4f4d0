# bash completion of crisp(1): commands, options, and what the daemon has. Names are asked of the
# daemon when the tab key is pressed; without one there are none.

_crisp_ask() { crisp ${_crisp_socket:+--socket "$_crisp_socket"} "$@" 2>/dev/null; }

_crisp_containers() { _crisp_ask ps -a | awk 'NR > 1 { print $1 }'; }
_crisp_pods() { _crisp_ask pods | awk 'NR > 1 { print $1 }'; }
_crisp_pulls() { _crisp_ask pulls | awk 'NR > 1 { print $2 }'; }
_crisp_images() { _crisp_ask images | awk 'NR > 1 && $2 != "<none>" { print $1 ":" $2 } { if (NR > 1) print $3 }'; }

_crisp()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="attach cancel cdi check checkpoint exec explain gc images info inspect load logs pods port-forward ps pull pulls restore rm rmi run status stop version wipe"
	local command= words= i _crisp_socket=

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) _crisp_socket=${COMP_WORDS[++i]} ;;
		-o | --output) i=$((i + 1)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $prev in
	--socket | --log-dir | --config | --config-dir | --dir) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-o | --output) COMPREPLY=($(compgen -W "json table" -- "$cur")); return ;;
	--net) COMPREPLY=($(compgen -W "cni host" -- "$cur")); return ;;
	esac
	case $command in
	"") words="$commands --socket --output --help" ;;
	check) words="--config --config-dir" ;;
	checkpoint) words="--timeout --option $(_crisp_pods)" ;;
	restore) words="--timeout --option --name --runtime --pod --container --start $(compgen -d -- "$cur")" ;;
	attach) words="--stdin --tty $(_crisp_containers)" ;;
	exec) words="--stdin --tty --timeout $(_crisp_containers)" ;;
	logs) words="--follow --timestamps --tail $(_crisp_containers)" ;;
	explain | stop) words="$(_crisp_containers) $(_crisp_pods)" ;;
	rm) words="--force $(_crisp_containers) $(_crisp_pods)" ;;
	inspect) words="$(_crisp_containers) $(_crisp_pods) $(_crisp_images)" ;;
	rmi) words=$(_crisp_images) ;;
	run) words="--name --detach --keep --net --env --volume --entrypoint --runtime --privileged --log-dir $(_crisp_images)" ;;
	ps) words="--all --quiet --pod $(_crisp_pods)" ;;
	pods) words="--quiet" ;;
	images) words="--quiet --tree" ;;
	gc) words="--dry-run" ;;
	wipe) words="--force --images" ;;
	port-forward) words="--address $(_crisp_pods)" ;;
	cancel | pulls) words=$(_crisp_pulls) ;;
	pull) words="--creds --quiet" ;;
	cdi) words="--dir --config --config-dir" ;;
	load) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	# A colon begins a new word for readline, what is before it must not be repeated.
	declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}

complete -F _crisp crisp
