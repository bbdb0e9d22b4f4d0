# tidy.awk - what house style asks of a file, for tools/tidy.
#
# enums: constants of enums of our own.  prefixes: of the constants of machines, "CTR|SBX".  shown: the states
# that a shim shows, "SHIM_CREATING|SHIM_CREATED".  It reads C as our files are written: a function's braces stand in the first column.  Comments and the insides of
# strings are blanked before anything is looked for.

function report(line, text)
{
	printf "%s:%d: %s\n", FILENAME, line, text
}

# The line without comments and without what stands between quotes.
function code_of(s,    out, c, two)
{
	if (!in_comment && s !~ /["'\/]/)
		return s
	out = ""
	while (s != "") {
		if (!in_comment && match(s, /^[^"'\/]+/) || in_comment && match(s, /^[^*]+/)) {
			if (!in_comment)
				out = out substr(s, 1, RLENGTH)
			s = substr(s, RLENGTH + 1)
			continue
		}
		two = substr(s, 1, 2)
		c = substr(s, 1, 1)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				s = substr(s, 3)
			} else {
				s = substr(s, 2)
			}
		} else if (two == "/*") {
			in_comment = 1
			s = substr(s, 3)
		} else if (two == "//") {
			return out
		} else if (c == "\"" || c == "'") {
			out = out c
			s = substr(s, 2)
			while (s != "" && substr(s, 1, 1) != c)
				s = substr(s, substr(s, 1, 1) == "\\" ? 3 : 2)
			out = out c
			s = substr(s, 2)
		} else {
			out = out c
			s = substr(s, 2)
		}
	}
	return out
}

# Columns; 0: not more than 100.
function width(s,    n, i, c)
{
	if (length(s) <= 100 && (index(s, "\t") == 0 || length(s) + 7 * gsub(/\t/, "\t", s) <= 100))
		return 0
	if (index(s, "\t") == 0) {
		gsub(/[\200-\277]/, "", s)
		return length(s)
	}
	n = 0
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\t")
			n += 8 - n % 8
		else if (c !~ /[\200-\277]/)
			n++
	}
	return n
}

# Does the code call name?  Member functions and longer names are others.
function calls(code, name)
{
	return code ~ ("(^|[^A-Za-z0-9_.>])" name "[ \t]*\\(")
}

function banned(code,    name)
{
	if (code !~ any_banned)
		return
	for (name in replacement)
		if (calls(code, name) && !(name in allowed && FILENAME ~ allowed[name]))
			report(FNR, name ": use " replacement[name])
	if (code ~ /(^|[^A-Za-z0-9_.>])memset[ \t]*\([^,]*,[ \t]*0[ \t]*,/)
		report(FNR, "memset to 0: use an initialiser, (struct x){ 0 } or xcalloc")
}

# The number and the name of a machine's state: for a trait, an entry of the table or a message alone, not to
# compare, switch or index by.
function watch_state(code,    c)
{
	if (code ~ /(cmp|str_[a-z]+|strn?str|streq)[ \t]*\(.*(sm_state\([^()]*\)|states\[[^]]*\]\.?)(->)?name/)
		report(FNR, "the name of a state is compared; declare a trait in its .sm file and ask for it")
	c = code
	gsub(/\(\*[a-z_]+\)/, "x", c)
	gsub(/[a-z]+_is_[a-z_]+\([^()]*\)/, "", c)
	gsub(/states\[[^]]*\]/, "", c)
	gsub(/row->target [!=]= row->state/, "", c)
	gsub(/row->state, row->target/, "", c)
	if (c ~ /(^|[^A-Za-z0-9_])(sm|obj|row)->(state|target)([^A-Za-z0-9_]|$)/)
		report(FNR, "the number of a state; declare a trait in its .sm file and ask for it")
}

# open() and its kin, up to the end of the statement.
function watch_open(code)
{
	if (!opening && code ~ /(^|[^A-Za-z0-9_.>])(open|openat|accept4|memfd_create|pipe2|socket|eventfd|epoll_create1|dup3|signalfd|timerfd_create|inotify_init1)[ \t]*\(/) {
		opening = FNR
		open_code = ""
	}
	if (!opening)
		return
	open_code = open_code code
	if (code ~ /[;{]/) {
		if (open_code !~ /CLOEXEC/)
			report(opening, "a descriptor that is not close-on-exec: add O_CLOEXEC (SOCK_, EFD_, MFD_...)")
		opening = 0
	}
	if (code ~ /(^|[^A-Za-z0-9_.>])(pipe|accept|dup|epoll_create|inotify_init|creat)[ \t]*\(/)
		report(FNR, "a descriptor that is not close-on-exec: use pipe2, accept4, F_DUPFD_CLOEXEC, ...")
}

# A switch is on top of the stack while its braces are open.
function watch_switch(code,    i, c, word)
{
	if (code ~ /(^|[^A-Za-z0-9_])switch[ \t]*\(/)
		pending_switch = 1
	if (match(code, /(^|[^A-Za-z0-9_])case[ \t]+[A-Z][A-Z0-9_]*/)) {
		word = substr(code, RSTART, RLENGTH)
		sub(/^.*case[ \t]+/, "", word)
		if (word in own)
			own_switch[n_switch] = word
	}
	# Whoever reads a number from outside has a default, and says so beside it.
	if (code ~ /(^|[^A-Za-z0-9_])default[ \t]*:/ && $0 !~ /default:.*\/\*/)
		default_line[n_switch] = FNR
	if (code !~ /[{}]/)
		return
	for (i = 1; i <= length(code); i++) {
		c = substr(code, i, 1)
		if (c == "{") {
			depth++
			if (pending_switch) {
				n_switch++
				switch_depth[n_switch] = depth
				own_switch[n_switch] = ""
				default_line[n_switch] = 0
				pending_switch = 0
			}
		} else if (c == "}") {
			if (n_switch && switch_depth[n_switch] == depth) {
				if (default_line[n_switch] && own_switch[n_switch] != "")
					report(default_line[n_switch], "default: in a switch over our own enum (" own_switch[n_switch] "): name every constant")
				n_switch--
			}
			depth--
		}
	}
}

# A tag of the product means one thing in the whole tree.
function watch_tag(code,    tag)
{
	if (code !~ /^[ \t]*((typedef|static|const) )*(struct|enum|union) [A-Za-z_0-9]+ \{/)
		return
	match(code, /(struct|enum|union) [A-Za-z_0-9]+/)
	tag = substr(code, RSTART, RLENGTH)
	sub(/^[a-z]+ /, "", tag)
	if (tag in tag_at)
		report(FNR, tag " is the tag of another type, too (" tag_at[tag] "): name one by what it is")
	else
		tag_at[tag] = FILENAME ":" FNR
}

function watch_goto(code,    label)
{
	if (match(code, /^[ \t]*[a-z_][a-z0-9_]*:/) && code !~ /default:|\?/) {
		label = substr(code, RSTART, RLENGTH - 1)
		gsub(/[ \t]/, "", label)
		labels[label] = body
	}
	if (match(code, /(^|[^A-Za-z0-9_])goto[ \t]+[a-z_0-9]+/)) {
		label = substr(code, RSTART, RLENGTH)
		sub(/^.*goto[ \t]+/, "", label)
		if (labels[label] == body)
			report(FNR, "goto " label " goes upwards: write a loop")
	}
}

BEGIN {
	max_file = 900
	n = split(enums, list, " ")
	for (i = 1; i <= n; i++)
		own[list[i]] = 1
	replacement["strcpy"] = replacement["strcat"] = "base/buf.h or xasprintf"
	replacement["sprintf"] = "snprintf, or base/buf.h"
	replacement["strtok"] = replacement["strtok_r"] = "strcspn"
	replacement["atoi"] = replacement["atol"] = "str_to_i64"
	replacement["strtol"] = replacement["strtoll"] = "str_to_i64"
	replacement["strtoul"] = replacement["strtoull"] = "str_to_u64"
	replacement["system"] = replacement["popen"] = "os/spawn.h"
	replacement["fork"] = replacement["vfork"] = "os/spawn.h"
	replacement["sleep"] = replacement["usleep"] = replacement["nanosleep"] = "a deadline: poll, loop_timer_set"
	replacement["signal"] = "signalfd, or sigaction for SIG_IGN"
	allowed["strtoll"] = allowed["strtoull"] = "^src/base/"
	allowed["strtol"] = allowed["strtoul"] = "^src/base/"
	allowed["fork"] = "^(src/os/spawn\\.c|src/pull/base/helper\\.c|shim/|tests/)"
	for (name in replacement)
		any_banned = any_banned (any_banned == "" ? "" : "|") name
	any_banned = "(" any_banned "|memset)[ \t]*\\("
	# The generators run at build time and link nothing of ours.
	allowed["strtoul"] = allowed["strtoull"] = allowed["strtoll"] = allowed["strtol"] = "^(src/base|codegen)/"
}

# Of the file that ends here.
function end_file()
{
	if (is_c && lines >= max_file)
		printf "%s:%d: %d lines; a file has less than %d: split it\n", name, lines, lines, max_file
}

# Names say one thing each: a file is the main file of its program, or its basename stands once.
function watch_file(    base)
{
	base = FILENAME
	sub(/^.*\//, "", base)
	if (base in file_at && base != "main.c")
		report(1, "another file is called " base ", too (" file_at[base] "): rename one")
	file_at[base] = FILENAME
}

FNR == 1 {
	end_file()
	name = FILENAME
	is_c = FILENAME ~ /\.[ch]$/
	# Each test is a program of its own.
	is_product = is_c && FILENAME !~ /^tests\//
	asks_traits = is_product && FILENAME ~ /^(src|shim)\// && FILENAME !~ /_rules\.c$/
	asks_life = FILENAME ~ /^(shim|tests\/sim)\/[a-z_]+\.[ch]$/ && FILENAME !~ /^shim\/life\.[ch]$/
}

{
	lines = FNR
}

/[ \t\r\f\v]$/ {
	report(FNR, "space at the end of the line")
}

# The words that this very file looks for stand apart here.
/TO[D]O|FIX[M]E|X[X]X/ {
	if (match($0, /(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|X[X]X)([^A-Za-z0-9_]|$)/))
		report(FNR, "finish it, or open an issue")
}

!is_c {
	next
}

FNR == 1 {
	in_comment = opening = depth = n_switch = pending_switch = 0
	body = ""
	if ($0 !~ /^\/\*/)
		report(1, "open the file with a comment: what it is for and what must hold")
	if (is_product)
		watch_file()
}

# What a state means is said in its .sm file; C asks for traits.  A ## makes a name, too.
asks_traits && /_STATE_/ && $0 ~ ("(^|[^A-Za-z0-9_])(" prefixes ")_STATE_") {
	report(FNR, "the name of a state; declare a trait in its .sm file and ask for it")
}

{
	if (width($0) > 100)
		report(FNR, "wider than 100 columns")
	code = code_of($0)
	if ($0 == "{") {
		body = FILENAME ":" FNR
		start = FNR
	}
	if (asks_life && code ~ ("(^|[^A-Za-z0-9_])(LIFE_STATE_[A-Z_]+|" shown ")([^A-Za-z0-9_]|$)"))
		report(FNR, "the name of a state; move by life_move, ask life_permit or a life_is_...")
	if (asks_traits && FILENAME !~ /^src\/sm\//)
		watch_state(code)
	banned(code)
	watch_open(code)
	watch_switch(code)
	if (is_product)
		watch_tag(code)
	if (body != "")
		watch_goto(code)
	if ($0 ~ /^}/ && body != "") {
		if (FNR - start + 1 > 70)
			report(start, "a function of " (FNR - start + 1) " lines; 70 is the most: split it")
		body = ""
	}
}

END {
	end_file()
}
