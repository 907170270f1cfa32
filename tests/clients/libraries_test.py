"""Agent and application libraries from PyPI against a running waferd, each as its documentation shows it."""

import asyncio
import os
import typing

import openai
import pydantic
import pytest

URL = os.environ["WAFERLINE_URL"] + "/v1"
MODEL = os.environ["WAFERLINE_MODEL"]
QUESTION = "Who bakes the bread in the village?"


class Villager(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=1, le=99)
    trade: typing.Literal["baker", "smith", "miller"]


def weather(place: typing.Annotated[str, pydantic.Field(max_length=20)]) -> str:
    """The weather of a place."""
    return f"rain in {place}"


@pytest.mark.parametrize("api", ("responses", "chat_completions"))
def test_openai_agents_hand_over_and_call_a_tool(api):
    import agents
    client = openai.AsyncOpenAI(base_url=URL, api_key="none", max_retries=0)
    agents.set_tracing_disabled(True)
    kind = agents.OpenAIResponsesModel if api == "responses" else agents.OpenAIChatCompletionsModel
    model = kind(model=MODEL, openai_client=client)
    called = []

    @agents.function_tool
    def look(place: typing.Annotated[str, pydantic.Field(max_length=20)]) -> str:
        """The weather of a place."""
        called.append(place)
        return "rain"

    must = agents.ModelSettings(tool_choice="required", max_tokens=300, parallel_tool_calls=False, temperature=0)
    baker = agents.Agent(name="Baker", instructions="You bake.", model=model, tools=[look], model_settings=must)
    triage = agents.Agent(name="Triage", instructions="You choose.", model=model, handoffs=[baker], model_settings=must)
    result = asyncio.run(agents.Runner.run(triage, QUESTION, max_turns=6))
    assert result.last_agent.name == "Baker" and called and isinstance(result.final_output, str)


def test_openai_agents_stream_and_have_an_output_type():
    import agents
    client = openai.AsyncOpenAI(base_url=URL, api_key="none", max_retries=0)
    agents.set_tracing_disabled(True)
    agent = agents.Agent(name="Clerk", model=agents.OpenAIResponsesModel(model=MODEL, openai_client=client), output_type=Villager,
                         model_settings=agents.ModelSettings(max_tokens=300, temperature=0))

    async def run():
        result = agents.Runner.run_streamed(agent, QUESTION)
        kinds = [event.type async for event in result.stream_events()]
        return kinds, result.final_output

    kinds, output = asyncio.run(run())
    assert "raw_response_event" in kinds and isinstance(output, Villager)


@pytest.mark.parametrize("mode", ("TOOLS", "JSON_SCHEMA", "TOOLS_STRICT", "RESPONSES_TOOLS"))
def test_instructor(mode):
    import instructor
    client = instructor.from_openai(openai.OpenAI(base_url=URL, api_key="none", max_retries=0), mode=instructor.Mode[mode])
    ask = {"max_output_tokens" if mode == "RESPONSES_TOOLS" else "max_tokens": 300, "temperature": 0}
    villager = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}], response_model=Villager,
                                              max_retries=0, **ask)
    assert isinstance(villager, Villager)


@pytest.mark.parametrize("api", ("chat", "responses"))
@pytest.mark.parametrize("how", ("tool", "native"))
def test_pydantic_ai_output_type(api, how):
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    model = (OpenAIChatModel if api == "chat" else OpenAIResponsesModel)(MODEL, provider=OpenAIProvider(base_url=URL, api_key="none"))
    agent = Agent(model, output_type=Villager if how == "tool" else NativeOutput(Villager), model_settings={"max_tokens": 300, "temperature": 0})
    assert isinstance(agent.run_sync(QUESTION).output, Villager)


def test_pydantic_ai_runs_tools():
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=URL, api_key="none")), tools=[weather],
                  model_settings={"max_tokens": 300, "temperature": 0})
    assert isinstance(agent.run_sync(QUESTION).output, str)


def test_litellm_maps_errors_and_answers():
    import litellm
    ask = {"model": "openai/" + MODEL, "api_base": URL, "api_key": "none", "max_retries": 0}
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(messages=[{"role": "user", "content": "word " * 5000}], **ask)
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(messages=[{"role": "user", "content": "a"}], **{**ask, "model": "openai/none"})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(
        messages=[{"role": "user", "content": QUESTION}], max_tokens=20, stream=True, **ask))
    assert text
    answer = litellm.responses(input=QUESTION, max_output_tokens=20, **ask)
    assert answer.output[0].content[0].text
