//! Clients that ask for much, read nothing, or break the protocol.

use super::*;
use crate::blob::wire::Status;
use crate::blob::{ServeError, ServeLimits, Served, WANTS_MAX};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tokio::time::Instant;

/// Serves `source` to what `client` does with its end of the stream.
async fn serve_to<F: Future<Output = ()>>(
    source: &(impl BlockSource + Clone),
    limits: ServeLimits,
    client: impl FnOnce(DuplexStream) -> F,
) -> Result<Served, ServeError> {
    let (near, far) = duplex(64 << 10);
    let budget = ServeBudget::new(limits);
    let (served, ()) = tokio::join!(serve(far, Arc::new(source.clone()), &budget), client(near));
    served
}

/// Sends these bytes, then reads nothing and waits.
async fn serve_bytes(bytes: &[u8]) -> Result<Served, ServeError> {
    serve_to(
        &Store::default(),
        ServeLimits::default(),
        |mut stream| async move {
            drop(stream.write_all(bytes).await);
            tokio::time::advance(Duration::from_secs(59)).await;
            while stream.read_u8().await.is_ok() {}
        },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_the_order_asked() {
    let store = Store::default();
    let (held, other) = (
        store.add(Codec::Raw, b"held"),
        store.add(Codec::Raw, b"other"),
    );
    let (kept, absent) = (
        store.add(Codec::Raw, b"kept"),
        Cid::of(Codec::Raw, b"absent"),
    );
    store.0.lock().unwrap().refused.push(kept);
    let served = serve_to(&store, ServeLimits::default(), |mut stream| async move {
        stream
            .write_all(&wire::request(&[held, absent, kept]))
            .await
            .unwrap();
        stream.write_all(&wire::request(&[other])).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).await.unwrap();
        let expected = [
            have(b"held"),
            answer(1, 0, &[]),
            answer(2, 0, &[]),
            have(b"other"),
        ];
        assert_eq!(answers, expected.concat());
    })
    .await;
    let (wants, blocks, bytes) = (4, 2, 9);
    assert_eq!(
        served.unwrap(),
        Served {
            wants,
            blocks,
            bytes
        }
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_ends_the_stream() {
    let cid = Cid::of(Codec::Raw, b"x");
    let none = wire::request(&[]);
    let many = wire::request(&[cid; WANTS_MAX + 1]);
    // CIDs of version 0 are shorter: more than may be asked for fit into the bytes.
    let mut version_0 = vec![0x12, 0x20];
    version_0.extend_from_slice(cid.digest());
    let short = Cid::from_bytes(&version_0).unwrap();
    let many_short = wire::request(&[short; WANTS_MAX + 1]);
    let mut tail = wire::request(&[cid]);
    tail[3] += 1;
    tail.push(0);
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0; 4],
        &[255; 4],
        &[0, 0, 0, 1, 0xf6],
        &none,
        &many,
        &many_short,
        &tail,
    ] {
        let result = serve_bytes(bytes).await;
        assert!(
            matches!(result, Err(ServeError::Malformed)),
            "{bytes:?}: {result:?}"
        );
    }
    let whole = wire::request(&[cid; WANTS_MAX]);
    assert!(
        serve_bytes(&whole)
            .await
            .is_err_and(|error| matches!(error, ServeError::Idle))
    );
    for end in 1..10 {
        let result = serve_bytes(&whole[..end]).await;
        assert!(
            matches!(result, Err(ServeError::Stalled)),
            "{end}: {result:?}"
        );
    }
    assert!(matches!(serve_bytes(&[]).await, Err(ServeError::Idle)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_of_a_request_is_told() {
    let store = Store::default();
    let served = serve_to(&store, ServeLimits::default(), |mut stream| async move {
        stream.write_all(&[0, 0]).await.unwrap();
    });
    assert!(matches!(served.await, Err(ServeError::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_dropped_and_costs_little() {
    let store = Store::default();
    let wants: Vec<Cid> = (0..64)
        .map(|i| store.add(Codec::Raw, &vec![i; 1 << 20]))
        .collect();
    let start = Instant::now();
    let served = serve_to(&store, ServeLimits::default(), |mut stream| async move {
        let frame = wire::request(&wants);
        while stream.write_all(&frame).await.is_ok() {}
    });
    assert!(matches!(served.await, Err(ServeError::Stalled)));
    assert!(
        start.elapsed() <= Duration::from_secs(11),
        "{:?}",
        start.elapsed()
    );
    assert!(
        store.0.lock().unwrap().reads <= 8,
        "no more is read than may lie in memory"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_millions_is_held_back_and_ended() {
    let limits = ServeLimits {
        wants_max: 5_000,
        wants_per_second: 1_000,
        ..ServeLimits::default()
    };
    let (store, start) = (Store::default(), Instant::now());
    let served = serve_to(&store, limits, |stream| async move {
        let (mut read, mut write) = tokio::io::split(stream);
        let asking = async move {
            let frame = wire::request(&[Cid::of(Codec::Raw, b"absent"); WANTS_MAX]);
            while write.write_all(&frame).await.is_ok() {}
        };
        let reading = async move { while read.read_u8().await.is_ok() {} };
        tokio::join!(asking, reading);
    });
    assert!(matches!(
        served.await,
        Err(ServeError::TooMany { max: 5_000 })
    ));
    let elapsed = start.elapsed().as_millis();
    assert!((3_500..5_000).contains(&elapsed), "{elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn bytes_have_a_limit_and_a_rate() {
    let store = Store::default();
    let cid = store.add(Codec::Raw, &[1; 100_000]);
    let limits = ServeLimits {
        bytes_max: 300_000,
        bytes_per_second: 50_000,
        ..ServeLimits::default()
    };
    let start = Instant::now();
    let served = serve_to(&store, limits, |mut stream| async move {
        stream.write_all(&wire::request(&[cid; 4])).await.unwrap();
        stream.shutdown().await.unwrap();
        for _ in 0..3 {
            assert_eq!(
                wire::read_head(&mut stream).await.unwrap(),
                (Status::Have, 100_000)
            );
            wire::read_block(&mut stream, 100_000).await.unwrap();
        }
        assert_eq!(
            wire::read_head(&mut stream).await.unwrap(),
            (Status::Busy, 0)
        );
    });
    assert_eq!(served.await.unwrap().bytes, 300_000);
    // The first second's bytes leave at once, and so does the chunk that passes the rate.
    let elapsed = start.elapsed().as_millis();
    assert!((3_500..6_000).contains(&elapsed), "{elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn a_source_cannot_give_more_than_a_block() {
    let store = Store::default();
    let cid = store.add(Codec::Raw, &vec![0; (2 << 20) + 1]);
    let served = serve_to(&store, ServeLimits::default(), |mut stream| async move {
        stream.write_all(&wire::request(&[cid])).await.unwrap();
        assert_eq!(
            wire::read_head(&mut stream).await.unwrap(),
            (Status::Refused, 0)
        );
    });
    assert_eq!(served.await.unwrap().blocks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_its_answers_is_not_idle() {
    let store = Store::default();
    let cid = store.add(Codec::Raw, &[1; 200_000]);
    let limits = ServeLimits {
        bytes_per_second: 1_000,
        ..ServeLimits::default()
    };
    let start = Instant::now();
    let served = serve_to(&store, limits, |mut stream| async move {
        stream.write_all(&wire::request(&[cid])).await.unwrap();
        let mut answer = vec![0; 5 + 200_000];
        stream.read_exact(&mut answer).await.unwrap();
    });
    assert_eq!(served.await.unwrap().blocks, 1);
    assert!(start.elapsed() > Duration::from_secs(120));
}

/// Gives `late` only once it is told to.
#[derive(Clone)]
struct Late {
    store: Store,
    late: Cid,
    told: Arc<Mutex<Receiver<()>>>,
}

impl BlockSource for Late {
    fn read(&self, cid: Cid) -> Sourced {
        let told = || {
            self.told
                .lock()
                .unwrap()
                .recv_timeout(Duration::from_secs(20))
                .is_ok()
        };
        if cid == self.late && !told() {
            return Sourced::Missing;
        }
        BlockSource::read(&self.store, cid)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_does_not_wait_for_what_is_not() {
    let store = Store::default();
    let (early, late) = (
        store.add(Codec::Raw, b"early"),
        store.add(Codec::Raw, b"late"),
    );
    let (tell, told) = sync_channel(1);
    let told = Arc::new(Mutex::new(told));
    let source = Late { store, late, told };
    let served = serve_to(&source, ServeLimits::default(), |mut stream| async move {
        stream
            .write_all(&wire::request(&[early, late]))
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let (_, len) = wire::read_head(&mut stream).await.unwrap();
        wire::read_block(&mut stream, len).await.unwrap();
        tell.send(()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, have(b"late"));
    });
    assert_eq!(served.await.unwrap().blocks, 2);
}
