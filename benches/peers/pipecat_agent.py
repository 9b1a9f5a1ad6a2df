"""Pipecat as a Twilio Media Streams server, to be measured beside Causerie.

One uvicorn process takes every call, as Pipecat's own runner does: its TwilioFrameSerializer, its
Silero VAD, its Deepgram, OpenAI and Cartesia services. See README.md for what is set and why.

Reads DEEPGRAM_BASE_URL, OPENAI_BASE_URL and CARTESIA_BASE_URL. Prints one line of JSON when it takes
calls: {"listen": "127.0.0.1:40000"}. Calls go to the WebSocket at /media.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

# A VAD-only end of turn, as every engine is given in the mode `equal`.
EQUAL_STOP_SECS = 0.2


def user_params(equal: bool) -> LLMUserAggregatorParams:
    """How a turn begins and ends."""
    if not equal:
        # Nothing but the VAD, which has no default: its smart-turn model decides.
        return LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    return LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=EQUAL_STOP_SECS)),
        user_turn_strategies=UserTurnStrategies(
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]
        ),
    )


def recogniser(equal: bool) -> DeepgramSTTService:
    # In `equal` it is not made to wait for a final that is late by its own table: this one comes
    # 150 ms after the voice, before the VAD's 200 ms are over.
    patience = {"ttfs_p99_latency": EQUAL_STOP_SECS} if equal else {}
    return DeepgramSTTService(api_key="none", base_url=os.environ["DEEPGRAM_BASE_URL"], **patience)


async def carry(websocket: WebSocket, equal: bool) -> None:
    """A call, from the first message to the end of the socket."""
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=TwilioFrameSerializer(
                stream_sid=call["stream_id"],
                call_sid=call["call_id"],
                # There is no Twilio to ask for it.
                params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
            ),
        ),
    )
    stt = recogniser(equal)
    llm = OpenAILLMService(
        api_key="none",
        base_url=os.environ["OPENAI_BASE_URL"],
        settings=OpenAILLMService.Settings(
            model="stand-in", system_instruction="You are brief."
        ),
    )
    cartesia = os.environ["CARTESIA_BASE_URL"].replace("http", "ws", 1)
    tts = CartesiaTTSService(
        api_key="none",
        url=f"{cartesia}/tts/websocket",
        settings=CartesiaTTSService.Settings(voice="stand-in"),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=user_params(equal))
    pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
    worker = PipelineWorker(
        pipeline,
        # As in their Twilio example: no resampling.
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        # Callers of the load script are never gone, only silent.
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")
    async def hung_up(_transport, _client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def serve(listen: str, equal: bool) -> None:
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket):
        await carry(websocket, equal)

    host, _, port = listen.rpartition(":")
    listener = socket.create_server((host, int(port)), backlog=512)
    address = "{}:{}".format(*listener.getsockname()[:2])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    print(json.dumps({"listen": address}), flush=True)
    await serving


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
    # Its default writes every frame's fate to standard error.
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(serve(args.listen, args.endpointing == "equal"))


if __name__ == "__main__":
    main()
