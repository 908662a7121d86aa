import asyncio
import socket

from lab.forwarder import forward


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def through_the_forwarder(
    server: asyncio.Server,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    target = server.sockets[0].getsockname()
    front = listening()
    await forward(front, target[0], target[1])
    return await asyncio.open_connection(*front.getsockname())


def test_an_end_of_input_is_passed_on_while_the_answer_still_comes() -> None:
    async def run() -> bytes:
        async def reply_after_the_end(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
            w.write(b"got " + await r.read(-1))
            w.close()

        server = await asyncio.start_server(reply_after_the_end, sock=listening())
        reader, writer = await through_the_forwarder(server)
        writer.write(b"all")
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 5)

    assert asyncio.run(run()) == b"got all"


def test_a_service_that_is_not_there_closes_the_connection() -> None:
    async def run() -> bytes:
        front, dead = listening(), listening()
        address = dead.getsockname()
        dead.close()
        await forward(front, *address)
        reader, _ = await asyncio.open_connection(*front.getsockname())
        try:
            return await asyncio.wait_for(reader.read(-1), 5)
        except ConnectionResetError:
            return b""

    assert asyncio.run(run()) == b""


def test_nagle_is_off_towards_the_client_and_the_service() -> None:
    async def run() -> list[int]:
        seen: asyncio.Queue[bytes] = asyncio.Queue()

        async def echo(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
            while data := await r.read(100):
                await seen.put(data)
                w.write(data)

        server = await asyncio.start_server(echo, sock=listening())
        reader, writer = await through_the_forwarder(server)
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Two small writes in a row wait 40 ms for an acknowledgement where Nagle is on.
        for _ in range(20):
            writer.write(b"a")
            await seen.get()
            writer.write(b"b")
            await reader.readexactly(2)
            await seen.get()
        return [1] if loop.time() - began < 0.6 else [0]

    assert asyncio.run(run()) == [1]
