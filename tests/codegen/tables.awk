# Writes a schema from its tables, fields.tsv, enums.tsv and rpcs.tsv in this order, to standard output.
BEGIN { FS = "\t"; print "syntax = \"proto3\";\n\npackage runtime.v1;" }

FNR == 1 { table++; next }

table == 1 {
	if (!($1 in fields))
		order[++n] = $1
	fields[$1] = fields[$1]
	if ($3 == "-")
		next
	label = $4 == "repeated" ? "repeated " : ""
	fields[$1] = fields[$1] "\t" label $5 " " $3 " = " $2 ($7 ? " [" $7 "]" : "") ";\n"
	next
}

table == 2 {
	dot = index($1, ".")
	outer = dot ? substr($1, 1, dot - 1) : ""
	if (!($1 in values))
		enums[outer] = enums[outer] " " $1
	values[$1] = values[$1] "\t" $2 " = " $3 ";\n"
	next
}

{
	if (!($1 in services))
		names[++m] = $1
	services[$1] = services[$1] "\trpc " $2 "(" $3 ") returns (" \
		($5 == "server-stream" ? "stream " : "") $4 ");\n"
}

function enums_of(outer,    list, k, i) {
	k = split(enums[outer], list, " ")
	for (i = 1; i <= k; i++)
		print "\nenum " substr(list[i], index(list[i], ".") + 1) " {\n" values[list[i]] "}"
}

END {
	for (i = 1; i <= m; i++)
		print "\nservice " names[i] " {\n" services[names[i]] "}"
	enums_of("")
	for (i = 1; i <= n; i++) {
		print "\nmessage " order[i] " {"
		enums_of(order[i])
		printf "%s}\n", fields[order[i]]
	}
}
