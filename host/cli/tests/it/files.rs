//! Inputs, outputs and folders that come back.
