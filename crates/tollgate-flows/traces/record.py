#!/usr/bin/env python3
"""Records the traces of this folder on this machine's loopback (needs root, dumpcap and editcap; for QUIC, aioquic).

Each trace is a pcap file of link type RAW, in nanoseconds: packets from the IP header on, as the helper gives them.
Nothing leaves the machine; the certificate and every name and key in it are made up.
"""

import os, socket, ssl, struct, subprocess, sys, tempfile, threading, time

FOLDER = os.path.dirname(os.path.abspath(__file__))
EVENTS = [
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-sonnet-4-5"}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"Hi"}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


def capture(name, ports, action):
    raw = tempfile.mktemp(suffix=".pcapng")
    flt = " or ".join(f"port {p}" for p in ports)
    dumpcap = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", flt, "-w", raw], stderr=subprocess.DEVNULL)
    while not os.path.exists(raw) or os.path.getsize(raw) == 0:
        time.sleep(0.05)
    time.sleep(0.5)
    action()
    time.sleep(1.0)
    dumpcap.terminate()
    dumpcap.wait()
    out = os.path.join(FOLDER, name + ".pcap")
    # Plain pcap says nothing of the machine it was made on.
    subprocess.run(["editcap", "-L", "-C", "14", "-T", "rawip", "-F", "nsecpcap", raw, out], check=True)
    os.remove(raw)
    print(name, os.path.getsize(out), "bytes")


def listen(family, host, port, serve):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen()
    thread = threading.Thread(target=lambda: serve(server.accept()[0]), daemon=True)
    thread.start()
    return server, thread


def http(family, host, port):
    def serve(peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            request = b""
            while b"}" not in request:
                request += peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for event in EVENTS:
                time.sleep(0.02)
                peer.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            peer.sendall(b"0\r\n\r\n")
        peer.close()

    server, thread = listen(family, host, port, serve)
    client = socket.create_connection((host, port))
    shown = f"[{host}]" if ":" in host else host
    for _ in range(2):
        body = b'{"model":"claude-sonnet-4-5","stream":true}'
        client.sendall(
            f"POST /v1/messages?beta=true HTTP/1.1\r\nHost: {shown}:{port}\r\nx-api-key: sk-ant-made-up-0123456789\r\n"
            f"Authorization: Bearer made-up-token\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += client.recv(65536)
        time.sleep(0.3)
    client.close()
    thread.join()
    server.close()


def certificate():
    folder = tempfile.mkdtemp()
    key, cert = folder + "/key.pem", folder + "/cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=api.example.test"],
        check=True, stderr=subprocess.DEVNULL)
    return cert, key


def client_context(version=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version:
        context.maximum_version = version
    return context


def tls(port, version=None, pieces=None):
    cert, key = certificate()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])

    def serve(peer):
        with context.wrap_socket(peer, server_side=True) as secure:
            secure.recv(1024)
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    server, thread = listen(socket.AF_INET, "127.0.0.1", port, serve)
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = client_context(version).wrap_bio(into, out, server_hostname="api.example.test")
    first = True
    while True:
        try:
            secure.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        flight = out.read()
        if first and pieces:
            # A hello that takes several packets, as post-quantum ones do.
            for at in range(0, len(flight), pieces):
                raw.sendall(flight[at:at + pieces])
                time.sleep(0.05)
        elif flight:
            raw.sendall(flight)
        first = False
        if done:
            break
        into.write(raw.recv(65536))
    secure.write(b"GET / HTTP/1.1\r\n\r\n")
    raw.sendall(out.read())
    while raw.recv(65536):
        pass
    raw.close()
    thread.join()
    server.close()


def name(text):
    return b"".join(bytes([len(it)]) + it.encode() for it in text.split(".")) + b"\0"


def dns():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))

    def serve():
        for _ in range(3):
            query, peer = server.recvfrom(512)
            kind = query[-3]
            alias = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, len(name("edge.example.test"))) + name("edge.example.test")
            target = struct.pack(">H", 0xC000 | (len(query) + 12))
            if kind == 1:
                record = target + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("192.0.2.7")
            else:
                record = target + struct.pack(">HHIH", 28, 1, 60, 16) + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
            if b"nowhere" in query:
                server.sendto(query[:2] + b"\x81\x83" + query[4:], peer)
            else:
                server.sendto(query[:2] + b"\x81\x80\0\x01\0\x02\0\0\0\0" + query[12:] + alias + record, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number, (host, kind) in enumerate([("api.example.test", 1), ("api.example.test", 28), ("nowhere.test", 1)]):
        client.sendto(struct.pack(">HHHHHH", number + 1, 0x0100, 1, 0, 0, 0) + name(host) + struct.pack(">HH", kind, 1), ("127.0.0.53", 53))
        client.recvfrom(512)
    thread.join()


def quic(names):
    """A QUIC handshake and nothing more; many names make a hello that takes more than one datagram."""
    import asyncio
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration

    cert, key = certificate()
    server = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    server.load_cert_chain(cert, key)
    client = QuicConfiguration(alpn_protocols=names, server_name="api.example.test", verify_mode=ssl.CERT_NONE)

    async def run():
        listening = await serve("127.0.0.1", 443, configuration=server)
        async with connect("127.0.0.1", 443, configuration=client) as connection:
            await connection.ping()
        listening.close()

    asyncio.run(run())


if __name__ == "__main__":
    wanted = sys.argv[1:]
    traces = {
        "http-sse": ([4141], lambda: http(socket.AF_INET, "127.0.0.1", 4141)),
        "http-sse-ipv6": ([4141], lambda: http(socket.AF_INET6, "::1", 4141)),
        "tls13": ([8443], lambda: tls(8443)),
        "tls12": ([8443], lambda: tls(8443, ssl.TLSVersion.TLSv1_2)),
        "tls13-split-hello": ([8443], lambda: tls(8443, pieces=120)),
        "dns": ([53], dns),
        "quic": ([443], lambda: quic(["h3"])),
        "quic-split-hello": ([443], lambda: quic(["h3"] + [f"made-up-protocol-{it:03}" for it in range(60)])),
    }
    for trace, (ports, action) in traces.items():
        if not wanted or trace in wanted:
            capture(trace, ports, action)
