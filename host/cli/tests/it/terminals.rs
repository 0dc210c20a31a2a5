//! ps, logs, wait, stop, inspect, get from other terminals.
