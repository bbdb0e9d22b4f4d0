#!/bin/bash
# run.sh - each check of tools/tidy finds the mistake planted for it and reports nothing else.
#
# The mistakes stand in a small tree of their own, beside a copy of tools/tidy.
set -u
cd "$(dirname "$0")/../.." || exit 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{tools,states,src/a,src/b,src/shimproto,shim,codegen,gen,tests/unit}
cp tools/tidy tools/tidy*.awk "$scratch/tools/"
expected=()

# plant FILE [LINE TEXT]: standard input is the file, without its first comment; the finding to expect.
plant() {
	{ printf '/* %s */\n' "$1"; cat; } >"$scratch/$1"
	[ $# -eq 1 ] || expected+=("$1:$2: $3")
}

printf 'machine lamp prefix lmp version 1 row Lamp\n' >"$scratch/states/lamp.sm"
plant src/a/lamp.h <<<'enum lamp {
	LAMP_RED,
};'
plant src/a/one.c <<<'struct session {
	int fd;
};'
plant src/b/two.c 2 'session is the tag of another type, too (src/a/one.c:2): name one by what it is' \
	<<<'enum session {
	SESSION_A,
};'
# Each test is a program of its own.
plant tests/unit/test_one.c <<<'struct session {
	int fd;
};'
plant src/a/same.c <<<'int a;'
plant src/b/same.c 1 'another file is called same.c, too (src/a/same.c): rename one' <<<'int b;'
plant src/a/alone.h 1 'declares functions without a source: src/a/alone.c' <<<'int alone(void);'
plant src/a/states.c 2 'the name of a state; declare a trait in its .sm file and ask for it' \
	<<<'bool lit(int s) { return s == LMP_STATE_ON; }'
plant src/a/pasted.c 2 'the name of a state; declare a trait in its .sm file and ask for it' \
	<<<'#define LIT(s) (LMP_STATE_##s)'
plant src/a/number.c 2 'the number of a state; declare a trait in its .sm file and ask for it' \
	<<<'bool lit(void) { return o->sm->state == 4; }'
plant src/a/order.c 2 'the number of a state; declare a trait in its .sm file and ask for it' \
	<<<'bool lit(void) { return row->target > 4; }'
plant src/a/array.c 2 'the number of a state; declare a trait in its .sm file and ask for it' \
	<<<'bool lit(void) { return shines[obj->state]; }'
plant src/a/choice.c 3 'the number of a state; declare a trait in its .sm file and ask for it' <<<'void f(void)
{ switch (o->sm->state) {
	case 4: return;
} }'
plant src/a/kept.c 2 'the number of a state; declare a trait in its .sm file and ask for it' \
	<<<'void f(void) { uint16_t s = (*ret)->sm->state; }'
plant src/a/named.c 2 'the name of a state is compared; declare a trait in its .sm file and ask for it' \
	<<<'bool lit(void) { return strcmp(sm_state(o->sm)->name, "ON") == 0; }'
plant src/a/asked.c <<<'bool lit(void) { return lmp_is_lit((*ret)->sm->state) || row->target == row->state; }
const char *name(void) { return sm->machine->states[row->state].name; }'
plant src/a/lit_rules.c <<<'bool lit(int s) { return s == LMP_STATE_ON; }'
plant src/shimproto/shimproto.h <<<'enum shim_state {
	SHIM_LIT = 1, /* it shines */
};'
plant shim/life.c <<<'int s = LIFE_STATE_LIT + SHIM_LIT;'
plant shim/shown.c 2 'the name of a state; move by life_move, ask life_permit or a life_is_...' \
	<<<'int s = SHIM_LIT + SHIM_LITTLE;'
plant shim/life_state.c 2 'the name of a state; move by life_move, ask life_permit or a life_is_...' \
	<<<'bool lit(int s) { return s == LIFE_STATE_LIT; }'
plant shim/comment.c <<<'int s; /* SHIM_LIT */'
plant src/a/daemon.c <<<'int s = SHIM_LIT;'
plant src/a/blank.c 2 'space at the end of the line' <<<'int a; '
plant src/a/later.c 2 'finish it, or open an issue' <<<'/* FIX''ME */'
plant src/a/wide.c 2 'wider than 100 columns' <<<"int a; /* $(printf '%.0sx' {1..100}) */"
plant src/a/copy.c 2 'strcpy: use base/buf.h or xasprintf' <<<'void f(void) { strcpy(a, b); }'
plant src/a/open.c 2 'a descriptor that is not close-on-exec: add O_CLOEXEC (SOCK_, EFD_, MFD_...)' \
	<<<'int f(void) { return open(a, O_RDONLY); }'
plant src/a/switch.c 4 'default: in a switch over our own enum (LAMP_RED): name every constant' \
	<<<'void f(int s) { switch (s) {
	case LAMP_RED: return;
	default: return;
} }'
plant src/a/long.c 900 '900 lines; a file has less than 900: split it' < <(printf '%.0s\n' {1..899})
plant src/a/body.c 3 'a function of 71 lines; 70 is the most: split it' \
	< <(printf 'void f(void)\n{\n'; printf '%.0s\n' {1..69}; echo '}')

"$scratch/tools/tidy" | grep -v '^not ok tidy' >"$scratch/found"
missing=0 extra=0
while read -r mark line; do
	case $mark in
	'<')
		echo "not ok not found: $line"
		missing=$((missing + 1))
		;;
	'>')
		echo "not ok found without need: $line"
		extra=$((extra + 1))
		;;
	esac
done < <(diff <(printf '%s\n' "${expected[@]}" | sort) <(sort "$scratch/found"))
echo "$((${#expected[@]} - missing)) passed, $((missing + extra)) failed"
[ $((missing + extra)) -eq 0 ]
