//! What the machines say to each other: bodies on the way out, verified objects on the way in.

use mutual_protocol::lease::{
    Claim, Commit, Committed, Nack, Preempt, Promise, Release, Renew, RenewAck, ResultCert, Vote,
    VoteReq,
};
use mutual_protocol::{FencingToken, PublicKey, SigningKey, Verified};

macro_rules! signed_kinds {
    (
        $(#[$body_doc:meta])* $body:ident,
        $(#[$verified_doc:meta])* $verified:ident,
        signed { $($kind:ident,)* } plain { $($plain:ident($plain_type:ty),)* }
    ) => {
        $(#[$body_doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $body {
            $(#[doc = concat!("See [`mutual_protocol::lease::", stringify!($kind), "`].")] $kind(Box<$kind>),)*
            $(#[doc = "A certificate; it has no signature of its own."] $plain(Box<$plain_type>),)*
        }

        $(#[$verified_doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $verified {
            $(#[doc = concat!("See [`mutual_protocol::lease::", stringify!($kind), "`].")] $kind(Box<Verified<$kind>>),)*
            $(#[doc = "A certificate; the receiving machine checks it."] $plain(Box<$plain_type>),)*
        }

        impl $body {
            /// Signs the body with the sender's key. The same body gives the same bytes (Ed25519 is deterministic).
            pub fn sign(self, key: &SigningKey) -> $verified {
                match self {
                    $(Self::$kind(body) => $verified::$kind(Box::new(key.sign(*body))),)*
                    $(Self::$plain(cert) => $verified::$plain(cert),)*
                }
            }
        }

        $(
            impl From<$kind> for $body {
                fn from(body: $kind) -> Self {
                    Self::$kind(Box::new(body))
                }
            }

            impl From<Verified<$kind>> for $verified {
                fn from(message: Verified<$kind>) -> Self {
                    Self::$kind(Box::new(message))
                }
            }
        )*
    };
}

signed_kinds! {
    /// What holders and owners say to witnesses, and holders to owners; not yet signed.
    Request,
    /// A [`Request`] whose own signature was checked.
    VerifiedRequest,
    signed { Claim, Renew, VoteReq, Commit, Release, Preempt, } plain { Decided(ResultCert), }
}

signed_kinds! {
    /// What witnesses answer; not yet signed.
    Reply,
    /// A [`Reply`] whose own signature was checked.
    VerifiedReply,
    signed { Promise, RenewAck, Vote, Committed, Nack, } plain {}
}

impl VerifiedReply {
    /// The token that the answer is about: where it has to go, when one process plays several parts.
    pub fn token(&self) -> FencingToken {
        match self {
            Self::Promise(m) => m.value().token,
            Self::RenewAck(m) => m.value().token,
            Self::Vote(m) => m.value().token,
            Self::Committed(m) => m.value().token,
            Self::Nack(m) => m.value().asked,
        }
    }

    /// The witness.
    pub fn signer(&self) -> PublicKey {
        match self {
            Self::Promise(m) => m.signer(),
            Self::RenewAck(m) => m.signer(),
            Self::Vote(m) => m.signer(),
            Self::Committed(m) => m.signer(),
            Self::Nack(m) => m.signer(),
        }
    }
}
