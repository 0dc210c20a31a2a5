//! `mc pool`: the pools of this account, and the way into one.

use crate::account;
use crate::args::{Format, ListArgs, PoolCommand};
use crate::commands::{block_on, id};
use crate::failure::Failure;
use crate::output;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::{control, joining, machine};
use mutual_node::home::Home;
use mutual_node::identity;
use mutual_node::pool::{Joining, Pool, PoolName, Pools, TicketOrder};
use mutual_protocol::NodeId;
use mutual_protocol::bounded::{Address, Line, List};
use mutual_protocol::codes;
use mutual_protocol::limits::HOST_NAME_BYTES_MAX;
use mutual_protocol::membership::Role;
use mutual_protocol::ticket::Ticket;
use serde_json::json;
use std::time::Duration;

pub(crate) fn pool(command: PoolCommand) -> Result<u8, Failure> {
    let home = account::locate()?;
    let pools = Pools::open(&home);
    match command {
        PoolCommand::New { name } => new(&home, &pools, &name),
        PoolCommand::Join { ticket, name } => join(&home, &pools, &ticket, name),
        PoolCommand::Invite { pool, uses, life } => {
            invite(&home, &find(&pools, pool.as_deref())?, uses, life)
        }
        PoolCommand::Ls(format) => ls(&pools, format),
        PoolCommand::Leave { pool, yes } => leave(&pools, &pool, yes),
    }
}

/// The pool that `given` names, or the only one.
pub(crate) fn find(pools: &Pools, given: Option<&str>) -> Result<Pool, Failure> {
    pools
        .get(given)
        .map_err(|e| Failure::new(*e.code()).caused_by(&e))
}

fn new(home: &Home, pools: &Pools, name: &str) -> Result<u8, Failure> {
    if name.trim().is_empty() {
        return Err(Failure::new(codes::ARGUMENT_USAGE).because("the pool's name is empty"));
    }
    let key = id::load(&home.identity_file())?;
    let name = PoolName::new(name).map_err(|e| {
        Failure::new(codes::ARGUMENT_USAGE).because(format!("the pool's name: {e}"))
    })?;
    let made = pools.create(NodeId::from(key.public()), name, SystemClock.wall_ms());
    let made = made.map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    output::line(&made.id().to_string())?;
    output::say("serve it and invite others: mc-host start\n");
    Ok(0)
}

fn join(home: &Home, pools: &Pools, text: &str, name: Option<String>) -> Result<u8, Failure> {
    let ticket = Ticket::parse(text).map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    let key = id::load(&home.identity_file())?;
    let name = name.or_else(machine::host_name).unwrap_or_default();
    let joining = Joining {
        ticket: &ticket,
        identity: &key,
        transport: NodeId::from(key.public()),
        name: Line::cut(&name),
        roles: ticket.roles.clone(),
    };
    let seed = seed(home)?;
    let joined =
        block_on(async { joining::join_pool(pools, &joining, &seed, &SystemClock).await })?;
    let joined = joined.map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    output::line(&joined.id().to_string())?;
    output::say("run a program there: mc run prog.wasm; lend this machine: mc-host start\n");
    Ok(0)
}

/// The account's key as the seed of a connection's key.
fn seed(home: &Home) -> Result<[u8; 32], Failure> {
    identity::read_seed(&home.identity_file())
        .map_err(|e| mutual_terminal::identity::explain_error(&e))
}

/// A ticket that the running host of this account redeems.
fn invite(home: &Home, pool: &Pool, uses: u16, life: Duration) -> Result<u8, Failure> {
    let unreachable = || {
        Failure::new(codes::HOST_NOT_RUNNING)
            .because("a ticket is redeemed by the host of the account that made the pool")
    };
    let socket = home.host_socket();
    let asked = block_on(async { control::ask(&socket, &control::Ask::Status).await })?;
    let (report, _) = asked.map_err(|_not_running| unreachable())?;
    let about = report.about;
    if about.pool != pool.id().to_string() || !about.founder {
        return Err(Failure::new(codes::POOL_NOT_ADMITTING));
    }
    let admitter: NodeId = about.host.parse().map_err(|_not_a_hosts| unreachable())?;
    let addresses = about.addresses.iter().map(|text| Address::cut(text));
    let roles = [Role::Submit, Role::Host, Role::Witness, Role::Store];
    let order = TicketOrder {
        admitters: List::new(vec![admitter]).map_err(|_not_a_hosts| unreachable())?,
        addresses: List::new(addresses.collect()).map_err(|_not_a_hosts| unreachable())?,
        roles: roles.into(),
        uses,
        life,
    };
    let ticket = pool
        .issue_ticket(order, SystemClock.wall_ms())
        .map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    output::line(&ticket.to_text())?;
    output::say("on the other machine: mc pool join TICKET\n");
    Ok(0)
}

fn ls(pools: &Pools, format: ListArgs) -> Result<u8, Failure> {
    let list = pools
        .list()
        .map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    for damaged in &list.damaged {
        output::say(&format!("warning: {damaged}\n"));
    }
    match format.format() {
        Format::Json => {
            let all: Vec<_> = list.pools.iter().map(document).collect();
            output::json(&json!({"schema": "mc.v1/pools", "pools": all}))?;
        }
        Format::Jsonl => output::each(&list.pools, |pool| output::json(&document(pool)))?,
        Format::Id => output::each(&list.pools, |pool| output::line(&pool.id().to_string()))?,
        Format::Auto | Format::Table => {
            let rows: Vec<_> = list.pools.iter().map(row).collect();
            output::data(output::table(&["POOL", "NAME", "ROLES", "ADMITS"], &rows).as_bytes())?;
            if list.pools.is_empty() {
                output::say("no pool: mc pool join TICKET, or mc-host start\n");
            }
        }
    }
    Ok(0)
}

fn document(pool: &Pool) -> serde_json::Value {
    let membership = pool.membership();
    json!({
        "schema": "mc.v1/pool", "pool": pool.id().to_string(), "name": pool.name().map(Line::as_str),
        "roles": roles(pool), "member": membership.member.to_string(), "founder": pool.is_founder(),
        "until": mutual_terminal::show::time(membership.not_after_ms),
    })
}

fn roles(pool: &Pool) -> Vec<String> {
    let roles = pool.membership().roles.iter();
    roles
        .map(|role| format!("{role:?}").to_lowercase())
        .collect()
}

fn row(pool: &Pool) -> Vec<String> {
    let name = pool.name().map_or("-", Line::<HOST_NAME_BYTES_MAX>::as_str);
    let admits = if pool.is_founder() { "yes" } else { "no" };
    vec![
        pool.id().to_string(),
        name.to_owned(),
        roles(pool).join(","),
        admits.to_owned(),
    ]
}

fn leave(pools: &Pools, given: &str, yes: bool) -> Result<u8, Failure> {
    let pool = find(pools, Some(given))?;
    if pool.is_founder() && !yes {
        return Err(Failure::new(codes::ARGUMENT_USAGE)
            .because(
                "this account made the pool: without its key nobody can admit members any more",
            )
            .next(format!("mc pool leave --yes {given}")));
    }
    pools
        .leave(pool.id())
        .map_err(|e| Failure::new(*e.code()).caused_by(&e))?;
    output::say(&format!("left {}\n", pool.id()));
    Ok(0)
}
