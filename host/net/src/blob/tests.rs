//! Both sides over streams in memory: a store that is source and sink, and providers that behave in any way.

mod fetching;
mod hostile;
mod serving;

use super::wire;
use super::{BlockSink, BlockSource, FetchError, FetchLimits, Fetched, Provider, ServeBudget};
use super::{Sourced, fetch, serve};
use mutual_content::{Block, FileBuilder};
use mutual_protocol::ids::Codec;
use mutual_protocol::{Cid, codec};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinSet;

/// Blocks in memory.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    blocks: BTreeMap<Cid, Vec<u8>>,
    puts: Vec<Cid>,
    reads: usize,
    puts_max: Option<usize>,
    refused: Vec<Cid>,
}

impl Store {
    fn add(&self, codec: Codec, bytes: &[u8]) -> Cid {
        let cid = Cid::of(codec, bytes);
        self.0.lock().unwrap().blocks.insert(cid, bytes.to_vec());
        cid
    }

    /// A node that links to `children`.
    fn node(&self, children: &[Cid]) -> Cid {
        self.add(Codec::DagCbor, &codec::encode(&children))
    }

    fn file(&self, len: usize) -> mutual_content::FileRoot {
        let mut keep = |block: Block<'_>| {
            let mut store = self.0.lock().unwrap();
            store.blocks.insert(block.cid(), block.bytes().to_vec());
            Ok::<(), Infallible>(())
        };
        let bytes: Vec<u8> = (0..len)
            .map(|i| (i ^ ((i >> 20) * 31)).to_le_bytes()[0])
            .collect();
        let mut file = FileBuilder::new();
        file.push(&bytes, &mut keep).unwrap();
        file.finish(&mut keep).unwrap()
    }

    fn blocks(&self) -> BTreeMap<Cid, Vec<u8>> {
        self.0.lock().unwrap().blocks.clone()
    }

    fn bytes(&self) -> u64 {
        self.blocks().values().map(|block| block.len() as u64).sum()
    }

    fn remove(&self, cid: Cid) {
        self.0.lock().unwrap().blocks.remove(&cid);
    }

    fn puts(&self) -> Vec<Cid> {
        self.0.lock().unwrap().puts.clone()
    }
}

impl BlockSource for Store {
    fn read(&self, cid: Cid) -> Sourced {
        let mut store = self.0.lock().unwrap();
        store.reads += 1;
        if store.refused.contains(&cid) {
            return Sourced::Refused;
        }
        match store.blocks.get(&cid) {
            Some(block) => Sourced::Block(block.clone()),
            None => Sourced::Missing,
        }
    }
}

impl BlockSink for Store {
    fn has(&self, cid: Cid) -> bool {
        self.0.lock().unwrap().blocks.contains_key(&cid)
    }

    fn read(&self, cid: Cid) -> Option<Vec<u8>> {
        self.0.lock().unwrap().blocks.get(&cid).cloned()
    }

    fn put(&self, block: Block<'_>) -> io::Result<()> {
        let mut store = self.0.lock().unwrap();
        if store.puts_max.is_some_and(|max| store.puts.len() >= max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        store.puts.push(block.cid());
        store.blocks.insert(block.cid(), block.bytes().to_vec());
        Ok(())
    }
}

type Behaviour =
    Box<dyn Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A provider whose other end does what `behave` does.
struct Fake {
    name: &'static str,
    behave: Behaviour,
    servers: Mutex<JoinSet<()>>,
}

impl Fake {
    fn new<F>(
        name: &'static str,
        behave: impl Fn(DuplexStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            behave: Box::new(move |stream| Box::pin(behave(stream))),
            servers: Mutex::default(),
        }
    }

    /// Serves what is in `store`.
    fn honest(name: &'static str, store: &Store) -> Self {
        let store = store.clone();
        Self::new(name, move |stream| {
            let source = Arc::new(store.clone());
            async move {
                let served = serve(stream, source, &ServeBudget::default()).await;
                drop(served);
            }
        })
    }

    /// Answers each want with what `reply` says.
    fn scripted(name: &'static str, reply: impl Fn(Cid) -> Reply + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        Self::new(name, move |mut stream| {
            let reply = Arc::clone(&reply);
            async move { while answer_request(&mut stream, &*reply).await {} }
        })
    }
}

/// Whether there was a request, and it was answered.
async fn answer_request(
    stream: &mut DuplexStream,
    reply: &(impl Fn(Cid) -> Reply + ?Sized),
) -> bool {
    let Ok(first) = stream.read_u8().await else {
        return false;
    };
    for want in wire::read_request(stream, first).await.unwrap() {
        let bytes = match reply(want) {
            Reply::Bytes(bytes) => bytes,
            Reply::Stall => std::future::pending().await,
            Reply::Die => return false,
        };
        if stream.write_all(&bytes).await.is_err() {
            return false;
        }
    }
    true
}

enum Reply {
    Bytes(Vec<u8>),
    Stall,
    Die,
}

impl Provider for Fake {
    type Stream = DuplexStream;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn open(&self) -> io::Result<DuplexStream> {
        let (near, far) = duplex(64 << 10);
        self.servers.lock().unwrap().spawn((self.behave)(far));
        Ok(near)
    }
}

/// An answer as it stands on the wire.
fn answer(status: u8, len: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![status];
    bytes.extend_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn have(body: &[u8]) -> Vec<u8> {
    answer(0, body.len(), body)
}

/// What an honest provider says.
fn have_of(store: &Store, cid: Cid) -> Vec<u8> {
    match BlockSource::read(store, cid) {
        Sourced::Block(block) => have(&block),
        _ => answer(1, 0, &[]),
    }
}

async fn fetch_into(
    sink: &Store,
    providers: &[Fake],
    roots: &[Cid],
) -> Result<Fetched, FetchError> {
    let limits = FetchLimits::of_bytes(u64::MAX);
    fetch(providers, roots, Arc::new(sink.clone()), limits, |_| ()).await
}
