//! Core modules: WASI 0.1.

use super::ending::CallError;
use super::{Order, World, run, started, wasi};
use crate::inspect::{MODULE_ENTRY, PREVIEW1};
use wasmtime::{Engine, Linker, Module};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_async};

/// Everything that a module can import.
pub(crate) struct ModuleLinker(Linker<World<WasiP1Ctx>>);

impl ModuleLinker {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        add_to_linker_async(&mut linker, |world: &mut World<WasiP1Ctx>| {
            &mut world.context
        })?;
        // wasmtime-wasi traps on codes above 125; a program's own code is passed on as it is.
        linker.allow_shadowing(true);
        linker.func_wrap(PREVIEW1, "proc_exit", |code: i32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::new(I32Exit(code)))
        })?;
        Ok(Self(linker))
    }

    /// Checks names and types of imports and the entry point, without running anything.
    pub(crate) fn check(&self, module: &Module) -> Result<(), CallError> {
        self.0.instantiate_pre(module).map_err(CallError::Import)?;
        let entry = module.get_export(MODULE_ENTRY);
        let entry = entry.as_ref().and_then(|entry| entry.func());
        if entry.is_some_and(|entry| entry.params().len() == 0 && entry.results().len() == 0) {
            Ok(())
        } else {
            Err(CallError::Entry(wasmtime::format_err!(
                "`{MODULE_ENTRY}` is not a function without parameters"
            )))
        }
    }

    pub(crate) async fn run(self, order: Order<'_>, module: Module) -> wasmtime::Result<()> {
        let context = wasi::builder(order.load, order.parent)?.build_p1();
        run(order, context, async |store| {
            let linked = self.0.instantiate_pre(&module).map_err(CallError::Import)?;
            started();
            let instance = linked
                .instantiate_async(&mut *store)
                .await
                .map_err(CallError::Run)?;
            let start = instance.get_typed_func::<(), ()>(&mut *store, MODULE_ENTRY);
            start
                .map_err(CallError::Entry)?
                .call_async(store, ())
                .await
                .map_err(CallError::Run)?;
            Ok(Ok(()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::inspect::PREVIEW1_FUNCTIONS;
    use mutual_runner::Metering;
    use wasmtime::Store;

    #[test]
    fn the_linker_has_exactly_the_functions_of_the_table() {
        let engine = config::compiling(Metering::None).unwrap();
        let context = wasmtime_wasi::WasiCtx::builder().build_p1();
        let limiter = super::super::Limiter::new(0);
        let mut store = Store::new(&engine, World { context, limiter });
        let linker = ModuleLinker::new(&engine).unwrap().0;
        let mut linked: Vec<_> = linker
            .iter(&mut store)
            .map(|(module, name, _)| (module, name))
            .collect();
        linked.sort_unstable();
        let table: Vec<_> = PREVIEW1_FUNCTIONS
            .iter()
            .map(|name| (PREVIEW1, *name))
            .collect();
        assert_eq!(linked, table);
    }
}
