"""LiveKit Agents as a Twilio Media Streams server, to be measured beside Causerie.

It has no Twilio transport: calls reach it through a LiveKit server and its SIP bridge. Here its
AgentSession is given an audio input and output of ours that speak Twilio's WebSocket, so that
neither server nor bridge is counted against it. One process takes every call, where LiveKit's worker
starts one each. See README.md for what is set and why.

Reads DEEPGRAM_BASE_URL, OPENAI_BASE_URL and CARTESIA_BASE_URL. Prints one line of JSON when it takes
calls: {"listen": "127.0.0.1:40000"}. Calls go to the WebSocket at /media.
"""

import argparse
import asyncio
import audioop
import base64
import contextlib
import json
import logging
import os
import signal
import time

import aiohttp
from aiohttp import web
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference
from livekit.agents.voice import io
from livekit.agents.voice.transcription.synchronizer import TranscriptSynchronizer
from livekit.plugins import cartesia, deepgram, openai

RATE = 8000
# Audio ahead of what is heard, in seconds, and samples of a message: as in LiveKit's own room
# output (an AudioSource of 200 ms, frames of 50 ms).
LEAD = 0.2
CHUNK = RATE // 20


class TwilioInput(io.AudioInput):
    """The caller's 20 ms frames, as they come."""

    def __init__(self) -> None:
        super().__init__(label="Twilio")
        self._frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()

    def push(self, codes: bytes) -> None:
        pcm = audioop.ulaw2lin(codes, 2)
        self._frames.put_nowait(rtc.AudioFrame(pcm, RATE, 1, len(codes)))

    def end(self) -> None:
        self._frames.put_nowait(None)

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self._frames.get()
        if frame is None:
            raise StopAsyncIteration
        return frame


class TwilioOutput(io.AudioOutput):
    """What the agent says: sent with a bounded lead, taken back with `clear`.

    The playhead is estimated from the times of sending, as LiveKit's room output does. A pause
    clears what is not yet played, and a resume sends it again.
    """

    def __init__(self, socket: web.WebSocketResponse, stream_sid: str) -> None:
        capabilities = io.AudioOutputCapabilities(pause=True)
        super().__init__(label="Twilio", capabilities=capabilities, sample_rate=RATE)
        self._socket = socket
        self._before = f'{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":"'
        self._clear = json.dumps({"event": "clear", "streamSid": stream_sid})
        # Of the segment: its audio so far, and how much of it was sent and not taken back.
        self._codes = bytearray()
        self._sent = 0
        self._started = False
        self._flushed = False
        self._interrupted = False
        self._finished = asyncio.Event()
        self._finished.set()
        self._paused = False
        self._must_clear = False
        # When the carrier has played all that was sent.
        self._dry_at = 0.0
        self._wake = asyncio.Event()
        self.sending = asyncio.create_task(self._send())

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self._flushed:
            await self._finished.wait()
        await super().capture_frame(frame)
        if self._interrupted:
            return
        self._finished.clear()
        self._codes += audioop.lin2ulaw(bytes(frame.data), 2)
        self._wake.set()

    def flush(self) -> None:
        super().flush()
        if self._finished.is_set():
            return
        self._flushed = True
        if self._interrupted:
            self._finish()
        self._wake.set()

    def clear_buffer(self) -> None:
        if self._finished.is_set() or self._interrupted:
            return
        self._take_back()
        self._interrupted = True
        if self._flushed:
            self._finish()

    def pause(self) -> None:
        super().pause()
        self._paused = True
        self._take_back()

    def resume(self) -> None:
        super().resume()
        self._paused = False
        self._wake.set()

    def _take_back(self) -> None:
        """Clears the carrier's queue; the next to send is what was not heard."""
        now = time.monotonic()
        queued = max(self._dry_at - now, 0.0)
        if queued > 0:
            self._sent = max(self._sent - int(queued * RATE), 0)
            self._dry_at = now
            self._must_clear = True
            self._wake.set()

    def _finish(self) -> None:
        position, interrupted = self._sent / RATE, self._interrupted
        self._codes.clear()
        self._sent = 0
        self._started = self._flushed = self._interrupted = False
        self._finished.set()
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    async def _send(self) -> None:
        while True:
            if self._must_clear:
                self._must_clear = False
                await self._socket.send_str(self._clear)
                continue
            now = time.monotonic()
            lead = self._dry_at - now
            wait = None
            if self._paused or self._interrupted:
                pass
            elif self._sent < len(self._codes):
                wait = lead - (LEAD - CHUNK / RATE)
                if wait <= 0:
                    await self._send_chunk(now)
                    continue
            elif self._flushed:
                wait = lead
                if wait <= 0:
                    self._finish()
                    continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
            self._wake.clear()

    async def _send_chunk(self, now: float) -> None:
        chunk = bytes(self._codes[self._sent : self._sent + CHUNK])
        self._sent += len(chunk)
        self._dry_at = max(self._dry_at, now) + len(chunk) / RATE
        if not self._started:
            self._started = True
            self.on_playback_started(created_at=time.time())
        await self._socket.send_str(self._before + base64.b64encode(chunk).decode() + '"}}')


def session(equal: bool, http: aiohttp.ClientSession) -> AgentSession:
    """A call's session: what is not named is LiveKit's default."""
    services = {
        # The line's own rate: nothing is resampled for them.
        "stt": deepgram.STT(
            api_key="none",
            base_url=os.environ["DEEPGRAM_BASE_URL"] + "/v1/listen",
            sample_rate=RATE,
            http_session=http,
        ),
        "llm": openai.LLM(
            model="stand-in", api_key="none", base_url=os.environ["OPENAI_BASE_URL"]
        ),
        "tts": cartesia.TTS(
            api_key="none",
            base_url=os.environ["CARTESIA_BASE_URL"],
            sample_rate=RATE,
            http_session=http,
        ),
        # It would take a caller who says nothing for gone, and do nothing about it.
        "user_away_timeout": None,
    }
    if not equal:
        return AgentSession(**services)
    return AgentSession(
        **services,
        vad=inference.VAD(min_silence_duration=0.2),
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": 0.0},
            "preemptive_generation": {"enabled": False},
            "interruption": {"min_duration": 0.2},
        },
        # There is no echo canceller to wait for on a phone line.
        aec_warmup_duration=None,
    )


class Server:
    def __init__(self, equal: bool) -> None:
        self._equal = equal
        self._http: aiohttp.ClientSession | None = None

    async def start(self, listen: str) -> str:
        """Returns where it listens."""
        # A pool of 100 connections would be the bench's limit, not theirs.
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        app = web.Application()
        app.router.add_get("/media", self._media)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host, int(port), backlog=512).start()
        return "{}:{}".format(*runner.addresses[0][:2])

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        """A call, from the first message to the end of the socket."""
        # Small messages at once: deflate would cost it more than it saves.
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        heard, spoken, call = TwilioInput(), None, None
        try:
            async for message in socket:
                event = json.loads(message.data)
                match event["event"]:
                    case "media":
                        heard.push(base64.b64decode(event["media"]["payload"]))
                    case "start":
                        spoken = TwilioOutput(socket, event["start"]["streamSid"])
                        call = await self._begin(heard, spoken)
                    case "stop":
                        break
        finally:
            heard.end()
            if call is not None:
                await call.aclose()
            if spoken is not None:
                spoken.sending.cancel()
            await socket.close()
        return socket

    async def _begin(self, heard: TwilioInput, spoken: TwilioOutput) -> AgentSession:
        call = session(self._equal, self._http)
        # As LiveKit's room output does, so that a cut reply is remembered as it was heard.
        in_step = TranscriptSynchronizer(next_in_chain_audio=spoken, next_in_chain_text=None)
        call.input.audio = heard
        call.output.audio = in_step.audio_output
        call.output.transcription = in_step.text_output
        await call.start(Agent(instructions="You are brief."))
        return call


async def serve(listen: str, equal: bool) -> None:
    address = await Server(equal).start(listen)
    print(json.dumps({"listen": address}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:0", help="host:port; port 0: any free one")
    parser.add_argument(
        "--endpointing",
        choices=["shipped", "equal"],
        default="shipped",
        help="as it is shipped, or the VAD's 0.2 s for everybody",
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(serve(args.listen, args.endpointing == "equal"))


if __name__ == "__main__":
    main()
