//! Orders that are out of bounds, what is kept of a ticket, and serial numbers.

use super::*;
use crate::pool::RevokeError;
use crate::pool::tests::{NOW, founder, order, ticket};
use mutual_protocol::SigningKey;
use mutual_protocol::bounded::Line;
use mutual_protocol::sign::Ed25519;

fn request(pool: &Pool, ticket: &Ticket, member: u8) -> Verified<JoinRequest> {
    let key = SigningKey::from_seed(&[member; 32]);
    let member = NodeId::from(key.public());
    key.sign(JoinRequest {
        pool: pool.id(),
        secret: ticket.secret,
        member,
        transport: member,
        name: Line::default(),
        roles: [Role::Host].into(),
        wall_ms: NOW,
    })
}

fn serial(cert: &Signed<MembershipCert>) -> u64 {
    cert.verify(&Ed25519).unwrap().value().serial
}

#[test]
fn orders_out_of_bounds_are_refused() {
    let machine = founder();
    let pool = machine.create("lab");
    let issue = |change: fn(&mut TicketOrder)| {
        let mut order = order(machine.node(), 1);
        change(&mut order);
        pool.issue_ticket(order, NOW).map(|_ticket| ())
    };
    let changes: [fn(&mut TicketOrder); 5] = [
        |order| order.uses = 0,
        |order| order.uses = TICKET_USES_MAX + 1,
        |order| order.life = Duration::ZERO,
        |order| order.life = TICKET_LIFE_MAX + Duration::from_secs(1),
        |order| order.roles.clear(),
    ];
    for change in changes {
        assert_eq!(
            issue(change).unwrap_err().code().code,
            "mc::argument::usage"
        );
    }
    issue(|o| o.uses = TICKET_USES_MAX).unwrap();
    std::fs::remove_file(pool.folder.join("pool.key")).unwrap();
    let error = issue(|_| ()).unwrap_err();
    assert!(matches!(error, IssueTicketError::NotFounder), "{error}");
    assert!(matches!(pool.revoke(1), Err(RevokeError::NotFounder)));
}

#[test]
fn the_secret_is_not_kept() {
    let machine = founder();
    let pool = machine.create("lab");
    let ticket = ticket(&pool, machine.node(), 1);
    let kept = std::fs::read(pool.folder.join("tickets")).unwrap();
    let holds = |bytes: &[u8]| kept.windows(bytes.len()).any(|window| window == bytes);
    assert!(!holds(ticket.secret.as_bytes()));
    assert!(holds(hash(pool.id(), &ticket.secret).as_bytes()));
    let elsewhere = PoolId::from_bytes([1; 32]);
    assert_ne!(
        hash(pool.id(), &ticket.secret),
        hash(elsewhere, &ticket.secret)
    );
}

/// The largest file there can be: all tickets, each with all its uses. It must still be read.
#[test]
fn closed_tickets_make_room_when_there_is_none() {
    let machine = founder();
    let pool = machine.create("lab");
    let tickets: Vec<_> = (0..TICKETS_MAX)
        .map(|_| ticket(&pool, machine.node(), TICKET_USES_MAX))
        .collect();
    let more = || pool.issue_ticket(order(machine.node(), 1), NOW);
    assert!(matches!(more(), Err(IssueTicketError::Full)));
    let mut issued = pool.issued().unwrap();
    for ticket in &mut issued.tickets {
        ticket.roles = pool.membership().roles.iter().copied().collect();
        ticket.not_after_ms = u64::MAX;
        ticket
            .redeemed
            .extend((0..TICKET_USES_MAX).map(|_| Redeemed {
                member: machine.node(),
                serial: u64::MAX,
            }));
    }
    files::write(&pool.folder, &TICKETS, &issued).unwrap();
    assert_eq!(pool.uses_left(&tickets[0].secret, NOW).unwrap(), 0);
    let used_up = pool.redeem(&request(&pool, &tickets[0], 1), NOW);
    assert!(matches!(used_up, Err(RedeemError::UsedUp)));
    more().unwrap();
    let forgotten = pool.redeem(&request(&pool, &tickets[0], 1), NOW);
    assert!(matches!(forgotten, Err(RedeemError::Unknown)));
}

#[test]
fn serial_numbers_rise_also_when_the_file_is_lost() {
    let machine = founder();
    let mut pool = machine.create("lab");
    let first = ticket(&pool, machine.node(), 2);
    let mut serials = vec![pool.membership().serial];
    for member in [1, 2] {
        let cert = pool.redeem(&request(&pool, &first, member), NOW).unwrap();
        serials.push(serial(&cert));
    }
    pool.renew(NOW).unwrap();
    serials.push(pool.membership().serial);
    std::fs::remove_file(pool.folder.join("tickets")).unwrap();
    let unknown = pool.redeem(&request(&pool, &first, 3), NOW);
    assert!(matches!(unknown, Err(RedeemError::Unknown)));
    let later = NOW + 1000;
    let second = pool.issue_ticket(order(machine.node(), 1), later).unwrap();
    serials.push(serial(
        &pool.redeem(&request(&pool, &second, 3), later).unwrap(),
    ));
    assert!(serials.is_sorted_by(|a, b| a < b), "{serials:?}");
}
