//! A peer without our code above the muxer: it says whatever a test wants, and counts what it gets.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse, Transport as _, upgrade::Version};
use libp2p::identity::Keypair;
use libp2p::{noise, quic, tcp, yamux};
use mutual_net::Address;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// An authenticated connection on which nothing has been said.
pub(crate) struct Wire {
    muxer: StreamMuxerBox,
    /// A muxer must not be asked again after an error.
    over: bool,
    /// Substreams that the other side has opened.
    pub(crate) inbound: Vec<SubstreamBox>,
}

impl Wire {
    /// `None` when the handshake does not come about.
    pub(crate) async fn dial(address: &Address) -> Option<Self> {
        let key = Keypair::generate_ed25519();
        let tcp = tcp::tokio::Transport::new(tcp::Config::new())
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let quic = quic::tokio::Transport::new(quic::Config::new(&key))
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let mut transport = tcp
            .or_transport(quic)
            .map(|either, _| either.into_inner())
            .boxed();
        let opts = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let dial = transport.dial(address.to_string().parse().unwrap(), opts);
        let (_, muxer) = dial.unwrap().await.ok()?;
        let inbound = Vec::new();
        Some(Self {
            muxer,
            over: false,
            inbound,
        })
    }

    /// Does `work` while the connection lives; `None` when it ends first.
    pub(crate) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if self.over {
                return Poll::Ready(None);
            }
            while let Poll::Ready(stream) = self.muxer.poll_inbound_unpin(cx) {
                match stream {
                    Ok(stream) => self.inbound.push(stream),
                    Err(_) => {
                        self.over = true;
                        return work.as_mut().poll(cx).map(Some).map_pending();
                    }
                }
            }
            while let Poll::Ready(event) = self.muxer.poll_unpin(cx) {
                if event.is_err() {
                    self.over = true;
                    return work.as_mut().poll(cx).map(Some).map_pending();
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Opens a substream and says `bytes` on it.
    pub(crate) async fn open(&mut self, bytes: &[u8]) -> Option<SubstreamBox> {
        if self.over {
            return None;
        }
        let opened = std::future::poll_fn(|cx| self.muxer.poll_outbound_unpin(cx)).await;
        let mut stream = opened.ok()?;
        let said = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        self.drive(said).await?.ok()?;
        Some(stream)
    }

    /// All that comes on `stream` until it ends, however that is.
    pub(crate) async fn rest(&mut self, stream: &mut SubstreamBox) -> Vec<u8> {
        let mut all = Vec::new();
        let mut piece = [0; 512];
        while let Some(Ok(read)) = self.drive(stream.read(&mut piece)).await {
            if read == 0 {
                break;
            }
            all.extend_from_slice(&piece[..read]);
        }
        all
    }

    /// So many bytes from `stream`.
    pub(crate) async fn take(&mut self, stream: &mut SubstreamBox, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.drive(stream.read_exact(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        bytes
    }

    /// Waits until the other side has ended the connection.
    pub(crate) async fn ended(&mut self) {
        assert_eq!(self.drive(std::future::pending::<()>()).await, None);
    }

    /// Goes through the gate with `hello`, and stays connected.
    pub(crate) async fn admitted(address: &Address, hello: &[u8]) -> Self {
        let mut wire = Self::dial(address).await.unwrap();
        let mut stream = wire.open(&frame(hello)).await.unwrap();
        let head = wire.take(&mut stream, 6).await;
        assert_eq!(head[..2], [1, 0], "not admitted");
        let length = usize::from(head[5]);
        wire.take(&mut stream, length).await;
        wire
    }

    /// A substream that speaks `protocol`.
    pub(crate) async fn negotiated(&mut self, protocol: &str) -> SubstreamBox {
        let words = negotiation(protocol);
        let mut stream = self.open(&words).await.unwrap();
        assert_eq!(self.take(&mut stream, words.len()).await, words);
        stream
    }
}

/// A hello as it goes over the wire.
pub(crate) fn frame(hello: &[u8]) -> Vec<u8> {
    let length = u32::try_from(hello.len()).unwrap();
    [&[1], &length.to_be_bytes()[..], hello].concat()
}

/// What a dialer says to speak `protocol` on a substream.
pub(crate) fn negotiation(protocol: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in ["/multistream/1.0.0", protocol] {
        bytes.push(u8::try_from(line.len() + 1).unwrap());
        bytes.extend(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// What `Poll::Pending` means once the connection has ended.
trait OrEnded<T> {
    fn map_pending(self) -> Poll<Option<T>>;
}

impl<T> OrEnded<T> for Poll<Option<T>> {
    fn map_pending(self) -> Self {
        match self {
            Self::Ready(done) => Self::Ready(done),
            Self::Pending => Self::Ready(None),
        }
    }
}
