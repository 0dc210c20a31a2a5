//! Providers that lie, stall, or have nothing.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What comes of asking one provider that says `reply` for one leaf.
async fn ask_one(reply: impl Fn(Cid) -> Reply + Send + Sync + 'static) -> FetchError {
    let sink = Store::default();
    let providers = [Fake::scripted("liar", reply)];
    let error = fetch_into(&sink, &providers, &[leaf()]).await.unwrap_err();
    assert!(sink.puts().is_empty());
    // The same liar beside an honest provider does no harm.
    let source = Store::default();
    source.add(Codec::Raw, LEAF);
    let providers = [&providers[0], &Fake::honest("honest", &source)];
    let limits = FetchLimits::of_bytes(LEAF.len() as u64);
    fetch(
        &providers,
        &[leaf()],
        Arc::new(sink.clone()),
        limits,
        |_| (),
    )
    .await
    .unwrap();
    assert_eq!(sink.puts(), [leaf()]);
    error
}

const LEAF: &[u8] = b"the leaf";

fn leaf() -> Cid {
    Cid::of(Codec::Raw, LEAF)
}

impl Provider for &Fake {
    type Stream = DuplexStream;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn open(&self) -> impl Future<Output = io::Result<DuplexStream>> + Send {
        (*self).open()
    }
}

macro_rules! assert_fault {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {
        match $error {
            $pattern $(if $guard)? => {}
            error => panic!("{error:?}"),
        }
    };
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_are_told_and_do_no_harm() {
    assert_fault!(ask_one(|_| Reply::Bytes(have(b"the loaf"))).await, FetchError::Wrong { provider, cid } if provider == "liar" && cid == leaf());
    assert_fault!(
        ask_one(|_| Reply::Bytes(have(b""))).await,
        FetchError::Wrong { .. }
    );
    assert_fault!(ask_one(|_| Reply::Bytes(answer(0, (2 << 20) + 1, &[]))).await, FetchError::BlockTooLarge { bytes, .. } if bytes == (2 << 20) + 1);
    assert_fault!(
        ask_one(|_| Reply::Bytes(answer(0, u32::MAX as usize, &[0; 100]))).await,
        FetchError::BlockTooLarge { .. }
    );
    assert_fault!(
        ask_one(|_| Reply::Bytes(answer(4, 0, &[]))).await,
        FetchError::Protocol { .. }
    );
    assert_fault!(
        ask_one(|_| Reply::Bytes(answer(1, 1, &[0]))).await,
        FetchError::Protocol { .. }
    );
    assert_fault!(ask_one(|_| Reply::Bytes(answer(1, 0, &[]))).await, FetchError::Missing { cid } if cid == leaf());
    assert_fault!(ask_one(|_| Reply::Bytes(answer(2, 0, &[]))).await, FetchError::Refused { provider, .. } if provider == "liar");
    assert_fault!(
        ask_one(|_| Reply::Bytes(answer(3, 0, &[]))).await,
        FetchError::Busy { .. }
    );
    assert_fault!(ask_one(|_| Reply::Die).await, FetchError::Closed { .. });
    assert_fault!(ask_one(|_| Reply::Stall).await, FetchError::Timeout { .. });
    // It announces more than the limit, or than it sends.
    assert_fault!(
        ask_one(|_| Reply::Bytes(answer(0, 9, LEAF))).await,
        FetchError::Timeout { .. }
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_in_the_middle_is_told() {
    let liar = Fake::new("liar", |mut stream| async move {
        let first = stream.read_u8().await.unwrap();
        wire::read_request(&mut stream, first).await.unwrap();
        stream
            .write_all(&answer(0, LEAF.len(), &LEAF[..3]))
            .await
            .unwrap();
    });
    let error = fetch_into(&Store::default(), &[liar], &[leaf()])
        .await
        .unwrap_err();
    assert_fault!(error, FetchError::Closed { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof);
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_asked_for_are_not_taken() {
    let source = Store::default();
    let roots = [source.add(Codec::Raw, b"1"), source.add(Codec::Raw, b"2")];
    // It says everything twice: the second copy stands where another answer should.
    let twice = source.clone();
    let liar = Fake::scripted("liar", move |cid| {
        Reply::Bytes(have_of(&twice, cid).repeat(2))
    });
    let error = fetch_into(&Store::default(), &[liar], &roots)
        .await
        .unwrap_err();
    assert_fault!(error, FetchError::Wrong { cid, .. } if cid == roots[1]);

    // It floods before it is asked.
    let flood = Fake::new("flood", |mut stream| async move {
        let block = have(&[0; 1000]);
        while stream.write_all(&block).await.is_ok() {}
    });
    let sink = Store::default();
    let error = fetch_into(&sink, &[flood], &roots).await.unwrap_err();
    assert_fault!(error, FetchError::Wrong { .. });
    assert!(sink.puts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_no_answer() {
    let start = Instant::now();
    let slow = Fake::new("slow", |mut stream| async move {
        let mut clock = tokio::time::interval(Duration::from_secs(9));
        stream.write_all(&answer(0, 1 << 20, &[])).await.unwrap();
        loop {
            clock.tick().await;
            if stream.write_all(&[0]).await.is_err() {
                return;
            }
        }
    });
    let error = fetch_into(&Store::default(), &[slow], &[leaf()])
        .await
        .unwrap_err();
    assert_fault!(error, FetchError::Timeout { provider, .. } if provider == "slow");
    assert!(
        start.elapsed() < Duration::from_secs(21),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn others_do_not_wait_for_one_that_stalls() {
    let source = Store::default();
    let root = source.file(30 << 20).cid;
    let wanted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&wanted);
    let stalls = Fake::scripted("stalls", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(Vec::new())
    });
    let hangs = Fake::new("hangs", |stream| async move {
        let _stream = stream;
        std::future::pending().await
    });
    let (sink, start) = (Store::default(), Instant::now());
    let providers = [stalls, hangs, Fake::honest("honest", &source)];
    fetch_into(&sink, &providers, &[root]).await.unwrap();
    assert!(sink.blocks() == source.blocks());
    let wanted = wanted.load(Ordering::SeqCst);
    assert_eq!(wanted, 1, "who owes an answer is asked for nothing more");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_bytes_holds_for_copies_of_two_providers() {
    let source = Store::default();
    let root = source.file(6 << 20).cid;
    // Slow enough that each of its blocks is asked for again, and quick enough not to be dropped.
    let slow = source.clone();
    let sluggish = Fake::new("sluggish", move |stream| give_slowly(slow.clone(), stream));
    let sink = Store::default();
    let providers = [sluggish, Fake::honest("honest", &source)];
    let limits = FetchLimits::of_bytes(source.bytes());
    let fetched = fetch(&providers, &[root], Arc::new(sink.clone()), limits, |_| ())
        .await
        .unwrap();
    assert_eq!(fetched.bytes, source.bytes());
    assert!(sink.blocks() == source.blocks());
}

/// A provider that is not there.
struct Absent {
    hangs: bool,
}

impl Provider for Absent {
    type Stream = DuplexStream;

    fn name(&self) -> String {
        "absent".to_owned()
    }

    async fn open(&self) -> io::Result<DuplexStream> {
        if self.hangs {
            std::future::pending().await
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

#[tokio::test(start_paused = true)]
async fn providers_that_are_not_there_are_told() {
    let sink: Arc<dyn BlockSink> = Arc::new(Store::default());
    let limits = FetchLimits::of_bytes(100);
    let gone = fetch(
        &[Absent { hangs: false }],
        &[leaf()],
        Arc::clone(&sink),
        limits,
        |_| (),
    )
    .await;
    assert_fault!(gone.unwrap_err(), FetchError::Closed { provider, .. } if provider == "absent");
    let hangs = fetch(
        &[Absent { hangs: true }],
        &[leaf()],
        Arc::clone(&sink),
        limits,
        |_| (),
    )
    .await;
    assert_fault!(hangs.unwrap_err(), FetchError::Timeout { provider, cid } if provider == "absent" && cid == leaf());
    let none = fetch(&[] as &[Fake], &[leaf()], sink, limits, |_| ()).await;
    assert_fault!(none.unwrap_err(), FetchError::NoProvider { cid } if cid == leaf());
}

/// Answers with half a block every three seconds.
async fn give_slowly(source: Store, mut stream: DuplexStream) {
    let mut clock = tokio::time::interval(Duration::from_secs(3));
    while let Ok(first) = stream.read_u8().await {
        for cid in wire::read_request(&mut stream, first).await.unwrap() {
            let bytes = have_of(&source, cid);
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            for part in [head, tail] {
                clock.tick().await;
                if stream.write_all(part).await.is_err() {
                    return;
                }
            }
        }
    }
}
