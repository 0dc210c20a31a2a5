//! Arguments, environment, standard streams and exit codes, as if the program had been run by hand.
