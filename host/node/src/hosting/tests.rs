//! A host's loop in virtual time: its network is a test, its sandbox a stub, its owner a real witness and owner.

mod donor;
mod failures;
mod hostile;
mod house;
mod life;
mod losses;
mod network;
mod offers;
mod owner;
