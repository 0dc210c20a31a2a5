//! `mc-host limits show|set`: what this machine gives.

use crate::args::{DocumentArgs, LimitArgs};
use crate::{explain, show};
use mutual_node::donor::lock::HostLock;
use mutual_node::donor::machine::Machine;
use mutual_node::donor::settings::{Limits, Settings};
use mutual_node::home::Home;
use mutual_node::hosting::Given;
use mutual_protocol::codes;
use mutual_terminal::failure::Failure;
use mutual_terminal::{account, output};
use serde_json::json;
use std::path::Path;

pub(crate) fn show(format: DocumentArgs) -> Result<u8, Failure> {
    let home = account::locate()?;
    let settings = Settings::load(&home.host_settings()).map_err(|e| explain::settings(&e))?;
    let given = given(&home, settings.limits)?;
    if format.is_json() {
        let is_set = json!({
            "slots": settings.limits.slots.is_some(),
            "cpus": settings.limits.cpus.is_some(),
            "memory_bytes": settings.limits.memory_bytes.is_some(),
            "disk_bytes": settings.limits.disk_bytes.is_some(),
        });
        output::json(
            &json!({"schema": "mc.v1/host-limits", "given": show::given(&given), "set": is_set}),
        )?;
    } else {
        output::line(&show::given_words(&given))?;
    }
    Ok(0)
}

pub(crate) fn set(args: LimitArgs) -> Result<u8, Failure> {
    let home = account::locate()?;
    let limits = of(args)?;
    if limits == Limits::default() {
        return Err(Failure::new(codes::ARGUMENT_USAGE)
            .because("nothing to set")
            .next("for example: mc-host limits set --cpus 2 --memory 4GiB"));
    }
    let path = home.host_settings();
    let mut settings = Settings::load(&path).map_err(|e| explain::settings(&e))?;
    settings.limits = limits.or(settings.limits);
    settings.save(&path).map_err(|e| explain::settings(&e))?;
    let given = given(&home, settings.limits)?;
    output::say(&format!("gives {}\n", show::given_words(&given)));
    if HostLock::is_held(&home.host_lock()) {
        output::say("from its next start on: mc-host stop, then mc-host start\n");
    }
    Ok(0)
}

/// What was typed, if it is something.
pub(crate) fn of(args: LimitArgs) -> Result<Limits, Failure> {
    let nothing = [args.memory, args.disk]
        .iter()
        .flatten()
        .any(|size| size.0 == 0);
    if nothing {
        return Err(Failure::new(codes::ARGUMENT_USAGE)
            .because("a host that gives no memory or no disk runs nothing")
            .next(
                "give a size, for example --memory 4GiB; `mc-host pause` gives nothing for a while",
            ));
    }
    Ok(Limits {
        slots: args.slots,
        cpus: args.cpus,
        memory_bytes: args.memory.map(|size| size.0),
        disk_bytes: args.disk.map(|size| size.0),
    })
}

/// What this machine gives under `limits`. Its disk is that of the nearest folder that is there.
pub(crate) fn given(home: &Home, limits: Limits) -> Result<Given, Failure> {
    let there = home.data().ancestors().find(|folder| folder.is_dir());
    let machine = Machine::look(there.unwrap_or(Path::new("/")));
    let machine = machine.map_err(|e| explain::data_folder(&e))?;
    Ok(limits.given(machine))
}
