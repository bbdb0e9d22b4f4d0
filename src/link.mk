# One rule a program.  Object files of a program that are not in libcrisp.a are listed with it.
