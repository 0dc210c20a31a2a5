//! Whole DAGs, limits, and fetches that were cut off.

use super::*;
use mutual_content::{Directory, Link};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(start_paused = true)]
async fn folders_and_files_of_all_sizes_arrive_whole() {
    let source = Store::default();
    let mut folder = Directory::new();
    for (index, len) in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20]
        .into_iter()
        .enumerate()
    {
        let file = source.file(len);
        let (cid, tsize) = (file.cid, file.tsize);
        folder
            .insert(&format!("file-{index}"), Link { cid, tsize })
            .unwrap();
    }
    let leaf = source.add(Codec::Raw, b"small");
    for index in 0..6000 {
        let link = Link {
            cid: leaf,
            tsize: 5,
        };
        folder
            .insert(
                &format!("a rather long name to make a sharded folder {index}"),
                link,
            )
            .unwrap();
    }
    let mut keep = |block: Block<'_>| {
        source.add(block.cid().codec(), block.bytes());
        Ok::<(), Infallible>(())
    };
    let root = folder.finish(&mut keep).unwrap().cid;
    assert!(source.blocks().len() > 200, "the folder is sharded");

    let sink = Store::default();
    let mut seen = Vec::new();
    let fetched = fetch(
        &[Fake::honest("a", &source)],
        &[root],
        Arc::new(sink.clone()),
        FetchLimits::of_bytes(source.bytes()),
        |fetched| seen.push(*fetched),
    )
    .await
    .unwrap();
    assert!(sink.blocks() == source.blocks());
    assert_eq!(fetched.bytes, source.bytes());
    assert_eq!(fetched.blocks, source.blocks().len() as u64);
    assert_eq!(seen.last(), Some(&fetched));
    assert!(seen.is_sorted_by_key(|fetched| (fetched.blocks, fetched.bytes)));
}

#[tokio::test(start_paused = true)]
async fn an_object_may_be_larger_than_a_block_of_a_file() {
    let source = Store::default();
    let leaves: Vec<Cid> = (0..75_000_u32)
        .map(|i| Cid::of(Codec::Raw, &i.to_be_bytes()))
        .collect();
    let manifest = source.node(&leaves);
    assert!(source.bytes() > 2 << 20);
    let sink = Store::default();
    for i in 0..75_000_u32 {
        sink.add(Codec::Raw, &i.to_be_bytes());
    }
    let fetched = fetch_into(&sink, &[Fake::honest("a", &source)], &[manifest])
        .await
        .unwrap();
    assert_eq!((fetched.blocks, fetched.held), (1, 75_000));

    let giant = source.add(Codec::Raw, &vec![0; (2 << 20) + 1]);
    let refused = fetch_into(&sink, &[Fake::honest("a", &source)], &[giant]).await;
    assert!(matches!(refused, Err(FetchError::Refused { cid, .. }) if cid == giant));
}

#[tokio::test(start_paused = true)]
async fn what_is_here_is_followed_and_not_fetched() {
    let source = Store::default();
    let (far, near) = (source.file(3 << 20).cid, source.file(2 << 20).cid);
    let root = source.node(&[near, source.node(&[far])]);
    let sink = Store::default();
    for (cid, bytes) in source.blocks() {
        sink.add(cid.codec(), &bytes);
    }
    let lost = source.add(Codec::Raw, &[7; 100]);
    let root = source.node(&[root, lost]);
    let fetched = fetch_into(&sink, &[Fake::honest("a", &source)], &[root])
        .await
        .unwrap();
    assert_eq!(sink.puts(), [root, lost]);
    assert!(fetched.held >= 7, "{fetched:?}");
    // A hole in the middle of what is here is found.
    sink.remove(lost);
    let fetched = fetch_into(&sink, &[Fake::honest("a", &source)], &[root])
        .await
        .unwrap();
    assert_eq!((fetched.blocks, fetched.bytes), (1, 100));
    // With everything here nobody is needed.
    let fetched = fetch_into(&sink, &[], &[root]).await.unwrap();
    assert_eq!(fetched.blocks, 0);
}

/// Answers `count` wants and then dies.
fn mortal(name: &'static str, source: &Store, count: usize) -> Fake {
    let (source, left) = (source.clone(), AtomicUsize::new(count));
    Fake::scripted(name, move |cid| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        match alive {
            Ok(_) => Reply::Bytes(have_of(&source, cid)),
            Err(_) => Reply::Die,
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_cut_off_fetches_only_the_rest() {
    let source = Store::default();
    let root = source.file(20 << 20).cid;
    let sink = Store::default();
    let cut = fetch_into(&sink, &[mortal("a", &source, 9)], &[root]).await;
    assert!(matches!(cut, Err(FetchError::Closed { provider, .. }) if provider == "a"));
    let first = sink.bytes();
    assert_eq!(sink.puts().len(), 9, "nothing that came is lost");
    let fetched = fetch_into(&sink, &[Fake::honest("a", &source)], &[root])
        .await
        .unwrap();
    assert_eq!(first + fetched.bytes, source.bytes());
    assert_eq!(sink.puts().len(), source.blocks().len());
}

#[tokio::test(start_paused = true)]
async fn another_provider_goes_on_where_one_dies() {
    let source = Store::default();
    let root = source.file(40 << 20).cid;
    for count in [0, 1, 5, 17] {
        let sink = Store::default();
        let providers = [mortal("a", &source, count), Fake::honest("b", &source)];
        let fetched = fetch_into(&sink, &providers, &[root]).await.unwrap();
        assert_eq!(fetched.bytes, source.bytes());
        assert!(sink.blocks() == source.blocks());
    }
}

#[tokio::test(start_paused = true)]
async fn providers_with_parts_make_a_whole() {
    let source = Store::default();
    let root = source.file(12 << 20).cid;
    let (odd, even) = (Store::default(), Store::default());
    for (index, (cid, bytes)) in source.blocks().into_iter().enumerate() {
        if index % 2 == 0 || cid == root {
            &even
        } else {
            &odd
        }
        .add(cid.codec(), &bytes);
    }
    let sink = Store::default();
    let providers = [Fake::honest("odd", &odd), Fake::honest("even", &even)];
    fetch_into(&sink, &providers, &[root]).await.unwrap();
    assert!(sink.blocks() == source.blocks());
    assert_eq!(sink.puts().len(), source.blocks().len());
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_bytes_is_exact() {
    let source = Store::default();
    let root = source.file((3 << 20) + 5).cid;
    for (bytes_max, fits) in [
        (source.bytes(), true),
        (source.bytes() - 1, false),
        (0, false),
    ] {
        let sink = Store::default();
        let providers = [Fake::honest("a", &source)];
        let limits = FetchLimits::of_bytes(bytes_max);
        let result = fetch(&providers, &[root], Arc::new(sink.clone()), limits, |_| ()).await;
        assert_eq!(result.is_ok(), fits, "{result:?}");
        assert!(sink.bytes() <= bytes_max);
        if !fits {
            assert!(
                matches!(result, Err(FetchError::TooLarge { bytes_max: max, .. }) if max == bytes_max)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endless_ways_through_few_blocks_are_walked_once() {
    let source = Store::default();
    let mut root = source.add(Codec::Raw, b"leaf");
    for _ in 0..100 {
        root = source.node(&[root, root]);
    }
    let sink = Store::default();
    let fetched = fetch_into(&sink, &[Fake::honest("a", &source)], &[root])
        .await
        .unwrap();
    assert_eq!(fetched.blocks, 101);
    // And once when all of it is here.
    let fetched = fetch_into(&sink, &[], &[root]).await.unwrap();
    assert!(fetched.held < 202, "{fetched:?}");

    let limits = FetchLimits {
        links_max: 50,
        ..FetchLimits::of_bytes(u64::MAX)
    };
    let result = fetch(
        &[Fake::honest("a", &source)],
        &[root],
        Arc::new(sink),
        limits,
        |_| (),
    )
    .await;
    assert!(matches!(result, Err(FetchError::TooManyLinks { max: 50 })));
}

#[tokio::test(start_paused = true)]
async fn a_chain_without_end_is_cut() {
    let source = Store::default();
    let mut root = source.add(Codec::Raw, b"leaf");
    for _ in 0..600 {
        root = source.node(&[root]);
    }
    let sink = Store::default();
    let result = fetch_into(&sink, &[Fake::honest("a", &source)], &[root]).await;
    assert!(
        matches!(result, Err(FetchError::TooDeep { .. })),
        "{result:?}"
    );
    assert!(sink.puts().len() < 520);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_full_ends_the_fetch() {
    let source = Store::default();
    let root = source.file(4 << 20).cid;
    let sink = Store::default();
    sink.0.lock().unwrap().puts_max = Some(2);
    let result = fetch_into(&sink, &[Fake::honest("a", &source)], &[root]).await;
    let Err(FetchError::Sink {
        cid: Some(_),
        source,
    }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[tokio::test(start_paused = true)]
async fn content_that_is_no_node_is_told() {
    let source = Store::default();
    let root = source.add(Codec::DagPb, b"no protobuf");
    let sink = Store::default();
    let result = fetch_into(&sink, &[Fake::honest("a", &source)], &[root]).await;
    assert!(matches!(result, Err(FetchError::Malformed { .. })));
    assert!(sink.puts().is_empty());
}

#[test]
fn a_fetch_can_move_between_threads() {
    fn check(_: impl Send) {}
    let source = Arc::new(Store::default());
    check(fetch(
        &[] as &[Fake],
        &[],
        source.clone(),
        FetchLimits::of_bytes(0),
        |_| (),
    ));
    let (stream, _) = duplex(1);
    check(serve(stream, source, &ServeBudget::default()));
}

/// Nodes of a DAG, each with links to earlier ones; the last one is the root.
fn dag() -> impl Strategy<Value = Vec<Vec<prop::sample::Index>>> {
    prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        1..60,
    )
}

fn build(source: &Store, shape: &[Vec<prop::sample::Index>]) -> Cid {
    let mut made: Vec<Cid> = Vec::new();
    for (index, links) in shape.iter().enumerate() {
        let children: Vec<Cid> = (links.iter().filter(|_| index > 0))
            .map(|link| made[link.index(index)])
            .collect();
        made.push(match children.as_slice() {
            [] => source.add(Codec::Raw, &index.to_be_bytes()),
            children => source.node(children),
        });
    }
    *made.last().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goal: whatever the shape and wherever the streams break, what arrives is exactly what lies below the root, each
    /// block put once. Method: fetch again and again from providers that die, until it is done.
    #[test]
    fn any_dag_arrives_whole_however_often_it_is_cut(shape in dag(), cuts in prop::collection::vec(1..20_usize, 1..6)) {
        let source = Store::default();
        let root = build(&source, &shape);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let sink = Store::default();
            let mut attempts = 0;
            while fetch_into(&sink, &[mortal("a", &source, cuts[attempts % cuts.len()])], &[root]).await.is_err() {
                attempts += 1;
                assert!(attempts < 100);
            }
            let at_once = Store::default();
            fetch_into(&at_once, &[Fake::honest("a", &source)], &[root]).await.unwrap();
            assert!(sink.blocks() == at_once.blocks());
            assert_eq!(sink.puts().len(), sink.blocks().len());
            assert!(sink.blocks().contains_key(&root));
        });
    }
}
