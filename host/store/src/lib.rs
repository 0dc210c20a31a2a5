//! Blocks as plain files, one record file per run, quotas, collection.
