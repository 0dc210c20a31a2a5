//! Standard input of an attached run: read from its source only when the guest waits for it.

use mutual_runner::Control;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;

/// Most bytes of one reading. A pipe holds 64 KiB.
const CHUNK_BYTES: usize = 64 << 10;

/// A source of standard input.
pub struct Source(Box<dyn AsyncRead + Send + Unpin>);

impl Source {
    /// Reads from `reader`, only when the guest waits for input.
    pub fn new(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(Box::new(reader))
    }

    /// Reads some bytes. A source that cannot be read is at its end, as for a program that reads a closed terminal.
    pub(crate) async fn read(&mut self, chunk: &mut [u8]) -> usize {
        self.0.read(chunk).await.unwrap_or(0)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// Passes input on until the source or the guest ends. Each `wanted` asks for one chunk.
pub(super) async fn pump(mut source: Source, control: Control, wanted: Arc<Notify>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        wanted.notified().await;
        let read = source.read(&mut chunk).await;
        let sent = match chunk.get(..read).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => control.send_stdin(bytes.to_vec()).await,
            None => control.close_stdin().await,
        };
        if read == 0 || sent.is_err() {
            return;
        }
    }
}
