# diagnostics.awk - print the format of every smc_error() call of smc's sources, one a line.
#
# A literal that is continued by a macro is printed up to the macro.

function literals(call,    i, c, out, quoted) {
	for (i = 1; i <= length(call); i++) {
		c = substr(call, i, 1)
		if (quoted && c == "\\") {
			i++
			out = out substr(call, i, 1)
		} else if (c == "\"") {
			quoted = !quoted
		} else if (quoted) {
			out = out c
		} else if (c == "," && out != "") {
			break
		}
	}
	return out
}

/smc_error\(/ && !/^void smc_error/ {
	sub(/.*smc_error\(/, "")
	call = ""
	open = 1
}

open {
	call = call $0
	if (call ~ /\);[ \t]*$/) {
		open = 0
		print literals(call)
	}
}
