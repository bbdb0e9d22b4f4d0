# tidy-enums.awk - the constants of every enum in the files named, one a line.
{
	line = $0
	gsub(/\/\*[^*]*\*\//, "", line)
	if (inside) {
		if (line ~ /}/) {
			inside = 0
			next
		}
		if (match(line, /^[ \t]*[A-Z][A-Z0-9_]*/)) {
			name = substr(line, RSTART, RLENGTH)
			sub(/^[ \t]*/, "", name)
			print name
		}
	} else if (line ~ /^(static )?enum [a-z_0-9]* *{$/ || line ~ /^enum {$/) {
		inside = 1
	}
}
