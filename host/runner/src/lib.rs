//! Parent side of the sandbox process: spawn, frames, limits, kill.
