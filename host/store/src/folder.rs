//! Folders of our own: made for the account alone, written to by rename.
