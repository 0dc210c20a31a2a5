//! Ctrl-C, kill -9, many at once, closed pipes: what a run leaves when it is disturbed.
