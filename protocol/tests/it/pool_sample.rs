//! One value of everything that members of a pool say to each other, always the same.

use crate::sample::{self, NEW_YEAR_MS, Visitor, host, key, membership, node, owner, pool, token};
use mutual_protocol::admission::{Answer, Hello, JoinRequest, Refusal};
use mutual_protocol::bounded::{Address, Line, List, Text};
use mutual_protocol::discovery::{Contact, HostRecord, HostState, Issue, JobAd, Runtime};
use mutual_protocol::ids::Codec;
use mutual_protocol::lease::{Commit, NackReason, Preempt, RenewAck};
use mutual_protocol::membership::{Delegation, MemberProof, MembershipCert, Role};
use mutual_protocol::message::{
    AttemptEvent, AttemptOrder, Chunk, DeclineReason, GoodbyeReason, LeaseReply, LeaseRequest,
    NodeMessage, Phase, Stream,
};
use mutual_protocol::ticket::{Ticket, TicketSecret};
use mutual_protocol::{Cid, Epoch, Generation, NodeId, SigningKey};
use std::collections::BTreeSet;

/// Ten days before the memberships end.
pub(crate) const NOW_MS: u64 = NEW_YEAR_MS - 10 * 86_400_000;
const TRANSPORT: [u8; 32] = *b"test seed of one process of `mc`";

/// The short-lived key of one of the owner's processes.
pub(crate) fn transport() -> NodeId {
    node(&key(&TRANSPORT))
}

pub(crate) fn line<const MAX: usize>(text: &str) -> Line<MAX> {
    Line::new(text).unwrap()
}

pub(crate) fn cert_body() -> MembershipCert {
    membership(&owner(), Role::Submit).value().clone()
}

pub(crate) fn delegation_body() -> Delegation {
    Delegation {
        member: node(&owner()),
        transport: transport(),
        not_after_ms: NOW_MS + 86_400_000,
    }
}

/// The owner's, from a process beside its host.
pub(crate) fn delegated_proof() -> MemberProof {
    MemberProof {
        cert: membership(&owner(), Role::Submit).signed().clone(),
        delegation: Some(owner().sign(delegation_body()).signed().clone()),
    }
}

/// The host's, from the process that has its address.
pub(crate) fn direct_proof() -> MemberProof {
    MemberProof {
        cert: membership(&host(), Role::Host).signed().clone(),
        delegation: None,
    }
}

pub(crate) fn addresses<const MIN: usize>() -> List<Address, MIN, 16> {
    let texts = ["/ip4/192.0.2.7/udp/4001/quic-v1", "/ip6/::1/tcp/4001"];
    List::new(texts.map(line).to_vec()).unwrap()
}

pub(crate) fn ticket() -> Ticket {
    Ticket {
        pool: pool(),
        admitters: List::new(vec![node(&host())]).unwrap(),
        addresses: addresses(),
        secret: TicketSecret::from_bytes(*b"sixteen secrets!"),
        roles: BTreeSet::from([Role::Submit, Role::Host, Role::Witness]),
        not_after_ms: NOW_MS + 3_600_000,
    }
}

pub(crate) fn join_body() -> JoinRequest {
    JoinRequest {
        pool: pool(),
        secret: ticket().secret,
        member: node(&owner()),
        transport: transport(),
        name: line("laptop"),
        roles: BTreeSet::from([Role::Submit, Role::Host]),
        wall_ms: NOW_MS,
    }
}

pub(crate) const REFUSALS: [Refusal; 10] = [
    Refusal::UnknownTicket,
    Refusal::UsedUp,
    Refusal::TicketExpired,
    Refusal::OtherPool,
    Refusal::NotAnAdmitter,
    Refusal::Version,
    Refusal::Full,
    Refusal::Clock,
    Refusal::Proof,
    Refusal::Revoked,
];

pub(crate) fn hellos() -> Vec<(&'static str, Hello)> {
    let join = Hello::Join(owner().sign(join_body()).signed().clone());
    vec![
        ("hello-member", Hello::Member(delegated_proof())),
        ("hello-join", join),
    ]
}

pub(crate) fn answers() -> Vec<(&'static str, Answer)> {
    let admitted = Answer::Admitted {
        cert: membership(&owner(), Role::Submit).signed().clone(),
        by: direct_proof(),
    };
    let refused = Answer::Refused {
        reason: Refusal::UsedUp,
        detail: line("redeemed by n-1234"),
    };
    vec![
        ("answer-member", Answer::Member(direct_proof())),
        ("answer-admitted", admitted),
        ("answer-refused", refused),
    ]
}

pub(crate) fn host_record_body() -> HostRecord {
    HostRecord {
        pool: pool(),
        host: node(&host()),
        name: line("lab-3"),
        issue: Issue {
            sequence: NOW_MS,
            issued_at_ms: NOW_MS,
            life_ms: 1_800_000,
        },
        state: HostState::Idle,
        slots_free: 3,
        slots: 4,
        cpus: 8,
        memory_bytes: 16 << 30,
        disk_bytes: 100 << 30,
        runtimes: BTreeSet::from([Runtime::Wasm, Runtime::Gpu, Runtime::Container]),
        build: line("wasmtime 48.0.8 0123456789abcdef x86_64 linux sse2"),
        addresses: addresses(),
        membership: membership(&host(), Role::Host).signed().clone(),
    }
}

/// The witnesses' keys, as the sample spec has them.
pub(crate) fn contacts() -> Vec<Contact> {
    let contact = |key: &SigningKey| Contact {
        node: node(key),
        addresses: addresses(),
    };
    sample::witnesses(3).iter().map(contact).collect()
}

pub(crate) fn job_ad_body() -> JobAd {
    JobAd {
        pool: pool(),
        job: sample::spec().job(),
        generation: Generation(0),
        spec: Cid::of(Codec::DagCbor, &sample::spec().signed().encode()),
        owner: node(&owner()),
        requirements: sample::requirements(),
        witnesses: List::new(contacts()).unwrap(),
        issue: Issue {
            sequence: NOW_MS,
            issued_at_ms: NOW_MS,
            life_ms: 600_000,
        },
        withdrawn: false,
        membership: membership(&owner(), Role::Submit).signed().clone(),
    }
}

pub(crate) fn visit_all(visitor: &mut impl Visitor) {
    visitor.visit("delegation", owner().sign(delegation_body()));
    visitor.visit("join-request", owner().sign(join_body()));
    visitor.visit("host-record", host().sign(host_record_body()));
    visitor.visit("job-ad", owner().sign(job_ad_body()));
}

/// Every message and every choice inside one, by the name of the vector that holds them.
pub(crate) fn messages() -> Vec<(&'static str, Vec<NodeMessage>)> {
    let record = host().sign(host_record_body()).signed().clone();
    let offer = NodeMessage::Offer {
        spec: sample::spec().signed().clone(),
        offer: sample::offer().signed().clone(),
        inputs_bytes: 123_498,
    };
    let decline = NodeMessage::Decline {
        register: sample::register(),
        reasons: List::new(decline_reasons()).unwrap(),
    };
    let stale = NodeMessage::Stale {
        token: token(1),
        current: token(2),
    };
    let event = |event| NodeMessage::Attempt {
        token: token(2),
        event,
    };
    let order = |order| NodeMessage::Order {
        token: token(2),
        order,
    };
    let goodbye = |reason| NodeMessage::Goodbye { reason };
    vec![
        ("node-host", vec![NodeMessage::Host(record)]),
        ("node-goodbye", GOODBYES.map(goodbye).to_vec()),
        ("node-offer", vec![offer]),
        ("node-decline", vec![decline]),
        ("node-request", requests()),
        ("node-reply", replies()),
        ("node-attempt", events().into_iter().map(event).collect()),
        ("node-order", orders().into_iter().map(order).collect()),
        ("node-stale", vec![stale]),
    ]
}

const GOODBYES: [GoodbyeReason; 6] = [
    GoodbyeReason::Leaving,
    GoodbyeReason::Restarting,
    GoodbyeReason::Unused,
    GoodbyeReason::Overload,
    GoodbyeReason::Membership,
    GoodbyeReason::Violation,
];

fn decline_reasons() -> Vec<DeclineReason> {
    let (wanted, offered) = (8 << 30, 4 << 30);
    vec![
        DeclineReason::NoSlot,
        DeclineReason::Cpus {
            wanted: 8,
            offered: 4,
        },
        DeclineReason::Memory { wanted, offered },
        DeclineReason::Disk { wanted, offered },
        DeclineReason::DiskFull,
        DeclineReason::Runtime,
        DeclineReason::Profile,
        DeclineReason::Compile,
        DeclineReason::Policy,
        DeclineReason::Membership,
        DeclineReason::Spec,
        DeclineReason::Time,
        DeclineReason::Paused,
        DeclineReason::Draining,
    ]
}

fn requests() -> Vec<NodeMessage> {
    let (register, epoch) = (sample::register(), Epoch(3));
    let cert = sample::quorum_cert();
    let requests = vec![
        LeaseRequest::Claim(sample::claim().signed().clone()),
        LeaseRequest::Renew(sample::renew(2, None).signed().clone()),
        LeaseRequest::VoteReq(sample::vote_req(sample::ok_value()).signed().clone()),
        LeaseRequest::Commit(host().sign(Commit { cert }).signed().clone()),
        LeaseRequest::Release(sample::release().signed().clone()),
        LeaseRequest::Preempt(owner().sign(Preempt { register, epoch }).signed().clone()),
        LeaseRequest::Decided(sample::result_cert()),
    ];
    requests.into_iter().map(NodeMessage::Request).collect()
}

fn replies() -> Vec<NodeMessage> {
    let witness = sample::witnesses(1).remove(0);
    let ack = RenewAck {
        token: token(2),
        number: 2,
        ttl_ms: 60_000,
    };
    let value = sample::ok_value();
    let nack = sample::nack(NackReason::Leased, None);
    let promise = sample::promise_body(2, None);
    let replies = vec![
        LeaseReply::Promise(witness.sign(promise).signed().clone()),
        LeaseReply::RenewAck(witness.sign(ack).signed().clone()),
        LeaseReply::Vote(witness.sign(sample::vote_body(&value)).signed().clone()),
        LeaseReply::Committed(
            witness
                .sign(sample::committed_body(&value))
                .signed()
                .clone(),
        ),
        LeaseReply::Nack(witness.sign(nack).signed().clone()),
    ];
    replies.into_iter().map(NodeMessage::Reply).collect()
}

fn events() -> Vec<AttemptEvent> {
    let output = |stream| AttemptEvent::Output {
        stream,
        offset: 1 << 33,
        bytes: Chunk::new(b"hello\n".to_vec()).unwrap(),
    };
    let phases = [
        Phase::Fetching,
        Phase::Compiling,
        Phase::Staging,
        Phase::Running,
        Phase::Collecting,
        Phase::Deciding,
    ];
    let mut events = phases.map(AttemptEvent::Phase).to_vec();
    events.push(AttemptEvent::Started);
    events.extend([Stream::Stdout, Stream::Stderr].map(output));
    events.push(AttemptEvent::Progress {
        done: 3,
        total: Some(10),
        text: line("words"),
    });
    events.push(AttemptEvent::InputWanted { bytes_max: 65_536 });
    let ended = |message| AttemptEvent::Ended {
        receipt: sample::receipt().signed().clone(),
        attempt: sample::attempt().signed().clone(),
        message,
    };
    events.push(ended(None));
    events.push(ended(Some(Text::new("trap:\n\tat main").unwrap())));
    events
}

fn orders() -> Vec<AttemptOrder> {
    let input = AttemptOrder::Input {
        offset: 7,
        bytes: Chunk::default(),
    };
    vec![
        AttemptOrder::Credit { bytes: 1 << 20 },
        input,
        AttemptOrder::InputEnd,
        AttemptOrder::Stop { now: false },
        AttemptOrder::Stop { now: true },
        AttemptOrder::Taken,
    ]
}
