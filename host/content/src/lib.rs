//! UnixFS and manifests: bytes and CIDs, no I/O.
