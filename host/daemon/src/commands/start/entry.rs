//! Before a host serves: its settings, its port, and the pool that it is in, joins or makes.

use crate::args::StartArgs;
use crate::commands::limits;
use crate::explain;
use mutual_node::clock::{Clock as _, SystemClock};
use mutual_node::donor::machine::host_name;
use mutual_node::donor::settings::{LISTEN_MAX, Settings};
use mutual_node::donor::{joining, places};
use mutual_node::home::Home;
use mutual_node::identity;
use mutual_node::pool::{Joining, Pool, Pools};
use mutual_protocol::bounded::Line;
use mutual_protocol::codes;
use mutual_protocol::limits::HOST_NAME_BYTES_MAX;
use mutual_protocol::membership::Role;
use mutual_protocol::ticket::Ticket;
use mutual_protocol::{NodeId, SigningKey};
use mutual_terminal::failure::Failure;
use mutual_terminal::identity::explain_error;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// What members of a pool may do: run jobs and have them run, keep leases and content for each other.
pub(super) const ROLES: [Role; 4] = [Role::Submit, Role::Host, Role::Witness, Role::Store];

/// Who this machine is in its pools.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) key: Arc<SigningKey>,
    pub(super) seed: [u8; 32],
    pub(super) node: NodeId,
}

impl Own {
    /// Loads the account's key, which is also the host's.
    pub(super) fn load(home: &Home) -> Result<Self, Failure> {
        let path = home.identity_file();
        let key = mutual_terminal::identity::load(&path)?;
        let seed = identity::read_seed(&path).map_err(|e| explain_error(&e))?;
        Ok(Self {
            node: NodeId::from(key.public()),
            key: Arc::new(key),
            seed,
        })
    }
}

/// What was kept, with what was typed now. Limits that were typed hold this time only, and are not in it.
pub(super) fn settings(home: &Home, args: &StartArgs) -> Result<Settings, Failure> {
    let mut settings = Settings::load(&home.host_settings()).map_err(|e| explain::settings(&e))?;
    if args.listen.len() > LISTEN_MAX {
        return Err(
            Failure::new(codes::ARGUMENT_USAGE).because(format!("at most {LISTEN_MAX} addresses"))
        );
    }
    if !args.listen.is_empty() {
        settings.listen.clone_from(&args.listen);
    }
    settings.port = args.port.or(settings.port);
    if let Some(name) = &args.name {
        let invalid =
            |why: &str| Failure::new(codes::ARGUMENT_USAGE).because(format!("--name: {why}"));
        Line::<HOST_NAME_BYTES_MAX>::new(name.as_str()).map_err(|e| invalid(&e.to_string()))?;
        if name.trim().is_empty() {
            return Err(invalid("a name has letters"));
        }
        settings.name = Some(name.clone());
    }
    limits::of(args.limits)?;
    Ok(settings)
}

/// What people call this machine.
pub(super) fn name(settings: &Settings) -> Line<HOST_NAME_BYTES_MAX> {
    let name = settings.name.clone().or_else(host_name);
    Line::cut(name.as_deref().unwrap_or("host"))
}

/// Where it takes connections; the port is chosen at the first start, and free at this moment.
pub(super) fn place(settings: &mut Settings) -> Result<(Vec<IpAddr>, u16), Failure> {
    let ips = if settings.listen.is_empty() {
        places::everywhere()
    } else {
        settings.listen.clone()
    };
    let found = match settings.port {
        Some(port) => places::check_free(&ips, port).map(|()| port),
        None => places::free_port(&ips),
    };
    let port = found.map_err(|e| {
        let port = settings
            .port
            .map(|port| format!("port {port}: "))
            .unwrap_or_default();
        Failure::new(*places::listen_code(&e)).because(format!("{port}{e}"))
    })?;
    settings.port = Some(port);
    Ok((ips, port))
}

/// The pool to serve, and whether it was made just now.
pub(super) async fn pool(
    (home, own): (&Home, &Own),
    args: &StartArgs,
    settings: &mut Settings,
) -> Result<(Pool, bool), Failure> {
    let pools = Pools::open(home);
    let (pool, is_new) = if let Some(ticket) = &args.ticket {
        (join(&pools, own, ticket, settings).await?, false)
    } else {
        in_or_make(&pools, own, args, settings)?
    };
    settings.pool = Some(pool.id().to_string());
    Ok((pool, is_new))
}

async fn join(
    pools: &Pools,
    own: &Own,
    ticket: &str,
    settings: &Settings,
) -> Result<Pool, Failure> {
    let ticket = Ticket::parse(ticket).map_err(|e| explain::coded(e.code(), &e))?;
    let joining = Joining {
        ticket: &ticket,
        identity: &own.key,
        transport: own.node,
        name: name(settings),
        roles: BTreeSet::from(ROLES),
    };
    let joined = joining::join_pool(pools, &joining, &own.seed, &SystemClock).await;
    joined.map_err(|e| explain::join(&e))
}

fn in_or_make(
    pools: &Pools,
    own: &Own,
    args: &StartArgs,
    settings: &Settings,
) -> Result<(Pool, bool), Failure> {
    let list = pools.list().map_err(|e| explain::pool_file(&e))?;
    if let Some(given) = &args.pool {
        let pool = pools.get(Some(given)).map_err(|e| explain::find_pool(&e))?;
        return Ok((pool, false));
    }
    if list.pools.is_empty() {
        return match list.damaged.first() {
            // A new pool would hide that the old one can be mended.
            Some(damaged) => Err(explain::pool_file(damaged)),
            None => {
                let pool = pools.create(own.node, name(settings), SystemClock.wall_ms());
                Ok((pool.map_err(|e| explain::create_pool(&e))?, true))
            }
        };
    }
    let before = settings.pool.as_deref();
    let before = before.filter(|id| list.pools.iter().any(|pool| pool.id().to_string() == *id));
    let pool = pools.get(before).map_err(|e| explain::find_pool(&e))?;
    Ok((pool, false))
}
