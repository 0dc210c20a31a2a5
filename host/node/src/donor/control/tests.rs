//! The control socket of a host: questions, answers, and clients that do not behave.

use super::*;
use crate::fit::Standing;
use crate::hosting::{Given, Status};
use std::path::PathBuf;
use tokio::io::AsyncWriteExt as _;

fn about() -> About {
    About {
        pid: 7,
        host: "n-host".to_owned(),
        name: "lab-3".to_owned(),
        pool: "p-pool".to_owned(),
        pool_name: None,
        founder: true,
        member_until_ms: 2,
        started_at_ms: 1,
        addresses: Vec::new(),
        given: Given {
            slots: 2,
            cpus: 2,
            memory_bytes: 3,
            disk_bytes: 4,
        },
    }
}

/// A socket in front of a loop that answers what it is asked, until somebody asks it to stop.
struct Rig {
    path: PathBuf,
    _folder: tempfile::TempDir,
    tasks: TaskGroup,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the address of a socket.
        let path = folder.path().join("r".repeat(120)).join("mc-host.sock");
        let (asked, mut questions) = mpsc::channel::<Asked>(4);
        let tasks = TaskGroup::new();
        tasks.spawn("loop", async move {
            while let Some(Asked { request, reply }) = questions.recv().await {
                let standing = match request {
                    Request::Pause => Standing::Paused,
                    Request::Drain | Request::Stop => Standing::Draining,
                    _ => Standing::Serving,
                };
                let status = Status {
                    standing,
                    slots: 2,
                    slots_free: 1,
                    peers: Vec::new(),
                    jobs: Vec::new(),
                    done: Vec::new(),
                    killed: Vec::new(),
                };
                let _asker_left = reply.send(status);
            }
        });
        let desk = Desk {
            about: watch::channel(about()).1,
            asked,
            stopping: Arc::default(),
        };
        tasks.spawn("server", serve(listen(&path).unwrap(), desk, tasks.clone()));
        Self {
            path,
            _folder: folder,
            tasks,
        }
    }
}

#[tokio::test]
async fn a_question_is_answered_and_the_connection_ends() {
    let rig = Rig::new();
    for (question, standing) in [
        (Ask::Status, "serving"),
        (Ask::Pause, "paused"),
        (Ask::Drain, "draining"),
    ] {
        let (report, mut stream) = ask(&rig.path, &question).await.unwrap();
        assert_eq!((report.standing.as_str(), report.slots_free), (standing, 1));
        assert_eq!(report.about, about());
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn after_a_stop_the_connection_ends_with_the_host() {
    let rig = Rig::new();
    let (_, mut stream) = ask(&rig.path, &Ask::Stop).await.unwrap();
    let mut one = [0];
    let mut end = std::pin::pin!(stream.read(&mut one));
    assert!(
        std::future::poll_fn(|ctx| std::task::Poll::Ready(end.as_mut().poll(ctx).is_pending()))
            .await
    );
    rig.tasks.end().await;
    assert_eq!(end.await.unwrap(), 0);
}

#[tokio::test]
async fn nonsense_is_not_answered_and_hurts_nobody() {
    let rig = Rig::new();
    let long = format!("{{\"op\":\"kill\",\"job\":\"{}\"}}\n", "j".repeat(4096));
    for bad in [
        "\n",
        "{}\n",
        "{\"op\":\"purge\"}\n",
        "\u{0}\u{1}\n",
        long.as_str(),
    ] {
        let mut stream = control::connect(&rig.path).await.unwrap();
        stream.write_all(bad.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{bad:?}");
    }
    ask(&rig.path, &Ask::Status).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_does_not_keep_others_away() {
    let rig = Rig::new();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(control::connect(&rig.path).await.unwrap());
    }
    // The silent ones are dropped before the one behind them gives up.
    let asked = timeout(PATIENCE * 2, async {
        loop {
            if let Ok(answer) = ask(&rig.path, &Ask::Status).await {
                return answer;
            }
        }
    });
    asked.await.unwrap();
}

#[tokio::test]
async fn a_dead_hosts_socket_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mc-host.sock");
    drop(listen(&path).unwrap());
    assert!(path.exists());
    assert!(ask(&path, &Ask::Status).await.is_err());
    listen(&path).unwrap();
}
