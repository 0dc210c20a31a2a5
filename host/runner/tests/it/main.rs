//! The parent against children that do what they should not: each is an outcome, and nothing is left behind.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lab;
