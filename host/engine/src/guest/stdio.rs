//! The guest's standard streams on the socket: live, unbuffered, never a terminal.

use crate::parent::{Input, Output, Parent};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, empty, sink};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Standard input: every stream of it reads from the same place.
#[derive(Clone)]
pub(super) struct Stdin {
    parent: Parent,
}

impl Stdin {
    pub(super) fn new(parent: &Parent) -> Self {
        Self {
            parent: parent.clone(),
        }
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    /// WASI 0.3 alone would read this one, and it is not offered.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        self.parent.input_ready().await;
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match self.parent.read(size) {
            Input::Bytes(bytes) => Ok(bytes),
            Input::Nothing => Ok(Bytes::new()),
            Input::End => Err(StreamError::Closed),
        }
    }
}

/// Standard output or error.
#[derive(Clone)]
pub(super) struct Stdout {
    parent: Parent,
    output: Output,
}

impl Stdout {
    pub(super) fn new(parent: &Parent, output: Output) -> Self {
        Self {
            parent: parent.clone(),
            output,
        }
    }
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdout {
    /// WASI 0.3 alone would write to this one, and it is not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {
        self.parent.output_ready().await;
    }
}

#[async_trait]
impl OutputStream for Stdout {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.parent.may_write() {
            return Err(StreamError::trap(
                "a write larger than `check-write` allowed",
            ));
        }
        if bytes.is_empty() || self.parent.write(self.output, &bytes) {
            Ok(())
        } else {
            Err(StreamError::Closed)
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(self.parent.may_write())
    }
}
