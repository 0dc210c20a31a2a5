//! `mc-host doctor`: one line for each thing that must be in place, and what to do where it is not.

use crate::args::DocumentArgs;
use crate::{NAME, explain, show};
use mutual_node::donor::places;
use mutual_node::donor::settings::Settings;
use mutual_node::pool::Pools;
use mutual_terminal::account;
use mutual_terminal::doctor::{self, Finding, State, finding, one_line};
use mutual_terminal::failure::Failure;
use mutual_terminal::show::count;

pub(crate) fn doctor(format: DocumentArgs) -> Result<u8, Failure> {
    let findings = [
        doctor::folders(),
        doctor::runtime(),
        doctor::clock(),
        doctor::identity(),
        doctor::sandbox(NAME),
        of("pools", pools()),
        of("limits", limits()),
        of("port", port()),
        doctor::path(NAME),
    ];
    doctor::tell(&findings, format)
}

fn of(what: &'static str, looked: Result<(State, String), Failure>) -> Finding {
    match looked {
        Ok((state, says)) => finding(what, state, says),
        Err(failure) => finding(what, State::Bad, one_line(&failure)),
    }
}

fn pools() -> Result<(State, String), Failure> {
    let list = Pools::open(&account::locate()?).list();
    let list = list.map_err(|e| explain::pool_file(&e))?;
    if let Some(damaged) = list.damaged.first() {
        return Err(explain::pool_file(damaged));
    }
    Ok(match list.pools.len() {
        0 => (
            State::Lacking,
            "in none: `mc-host start` makes one, `mc-host start TICKET` joins one".to_owned(),
        ),
        pools => (State::Good, format!("in {}", count(pools, "pool"))),
    })
}

fn settings() -> Result<Settings, Failure> {
    let home = account::locate()?;
    Settings::load(&home.host_settings()).map_err(|e| explain::settings(&e))
}

fn limits() -> Result<(State, String), Failure> {
    let given = super::limits::given(&account::locate()?, settings()?.limits)?;
    Ok((State::Good, show::given_words(&given)))
}

fn port() -> Result<(State, String), Failure> {
    let settings = settings()?;
    let Some(port) = settings.port else {
        return Ok((State::Good, "chosen at the first start".to_owned()));
    };
    if super::refuse_beside_a_host(&account::locate()?).is_err() {
        return Ok((State::Good, format!("{port}, the host has it")));
    }
    let ips = if settings.listen.is_empty() {
        places::everywhere()
    } else {
        settings.listen
    };
    let free = places::check_free(&ips, port);
    free.map_err(|e| Failure::new(*places::listen_code(&e)).because(format!("port {port}: {e}")))?;
    Ok((State::Good, format!("{port}, free")))
}
