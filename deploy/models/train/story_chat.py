"""Stories inside a chat: a wish, the story that fulfils it, questions about it, and what happened afterwards."""
from grammar import render
from plots import PLOTS, THING_PLOTS
from tale import Tale
import world

UNKNOWN = "dragon robot princess king queen spaceship dinosaur wizard unicorn car train elephant lion tiger pirate alien monkey witch giant knight computer shark vampire zombie superhero astronaut camel".split()

THEMES = {"lost": ["losing something", "looking for something", "help"], "make": ["making something", "a birthday", "building something", "neighbours"], "rescue": ["courage", "being brave", "danger", "the sea"],
          "quarrel": ["sharing", "a quarrel", "saying sorry", "friends"], "journey": ["a promise", "a long road", "an adventure", "a journey"], "mystery": ["a ghost", "the night", "fear", "a mystery"],
          "garden": ["patience", "a seed", "spring", "a garden"], "contest": ["winning", "a contest", "a race", "a prize"], "learn": ["learning", "school", "practice", "trying again"],
          "friendship": ["friends", "friendship", "being lonely", "love"], "repair": ["helping", "the village", "something broken", "work"], "honesty": ["a lie", "honesty", "the truth"],
          "guest": ["kindness", "a stranger", "a cold night"], "nurse": ["an animal", "a bird", "saying goodbye", "care"], "swap": ["a present", "a birthday", "trading"], "boast": ["pride", "a boaster", "being modest"],
          "bottle": ["a treasure", "a secret", "the sea", "a map"], "lantern_night": ["a feast", "light", "a candle", "Lantern Night"], "wafers": ["bread", "Ines", "a mistake", "baking"]}
SEQUEL = ("{The next day|A week later|When winter came|On the following Saturday|Years later}, WHO {went back to PLACE|met an old friend PLACEAT|sat PLACEAT and thought of that day|told the story to the children PLACEAT}. "
          "{There, DETAIL.|Nothing had changed, and yet everything was different.|}{ Everybody remembered what had happened.| The people of Larkhaven still talked about it.|} {And HE was happy.|And so HE lived for many years in peace.|It was a good life by the sea.|And once more the lamp of the lighthouse was lit.}")


def who(character, rng):
    return character.name or "the " + character.kind


def continued(rng, text):
    """The user gives the beginning, the answer goes on from there."""
    cut = [i + 1 for i in range(len(text) - 1) if text[i] in ".!" and text[i + 1] == " "][:3]
    at = rng.choice(cut)
    ask = render(rng, "{Continue this story:|Go on with this story:|Please continue:|How does this story go on?|Finish this story:|Continue the story:}")
    return [("user", ask + " " + text[:at]), ("assistant", text[at:].strip())]


def a_story(rng):
    return rng.choice(PLOTS)(Tale(rng, {"short": rng.random() < 0.5})).text


def topics(rng, tale, plot, kind):
    """What the tale could have been wished for as: things that really stand in it; the more often, the likelier."""
    f, hero, his = tale.facts, tale.hero, "her" if tale.hero.she else "his"
    about = [f"a {kind}"] * 2 + [f["topic"], rng.choice(THEMES[plot.__name__])]
    if tale.sky_told and rng.random() < 0.2:
        about.append({"storm": "a storm", "sun": "summer"}.get(f["weather"], f["weather"]))
    if "object" in f:
        noun = f["object"].noun
        about += [f"a {kind} and a {noun.split()[-1]}"] * 6 + [f"a {kind} and {f['object'].form('a', rng)}", f"a {noun}", f["object"].form("a", rng), f"a {kind} with a {noun}"]
        if plot.__name__ == "lost":
            about += [f"a {kind} who lost {his} {noun}"] * 2 + [f"a {kind} who is looking for a {noun}"]
        if plot.__name__ == "make":
            about += [f"a {kind} who {{makes|made|builds}} a {noun}", f"how a {kind} made a {noun}"]
    if "friend" in f:
        about += [f"a {kind} and a {f['friend'].kind}"] * 3
        if hero.name and f["friend"].name:
            about.append(f"{hero.name} and {f['friend'].name}")
    if "helper" in f and f["helper"].kind in world.JOB_PLACE:
        about += [f"a {kind} and a {f['helper'].kind}", f"a {kind} and {f['helper'].name} the {f['helper'].kind}", f"a {f['helper'].kind}"]
    if "found" in f:
        about.append(f"a {kind} {f['found'].at}")
    if "skill" in f:
        about += [f"a {kind} who {{learns|wants|learned}} to {f['skill']}"] * 3
    if "rescued" in f:
        about += [f"a {kind} who {{saves|saved|helps}} a {f['rescued'].kind}", f"a {kind} who is brave"]
    if hero.name:
        about += [hero.name if hero.kind not in world.JOB_PLACE else f"{hero.name} the {hero.kind}"] * 2
    return about


def story(rng):
    """A wish for a story, the story, and perhaps a question about it with its answer."""
    roll, wish, plot = rng.random(), {"short": rng.random() < 0.5}, rng.choice(PLOTS)
    if rng.random() < 0.4:
        plot = rng.choice(THING_PLOTS)
    tale = plot(Tale(rng, wish))
    if rng.random() < 0.1:
        return continued(rng, tale.text)
    f = tale.facts
    hero = tale.hero
    kind = hero.kind if not hero.name or hero.kind in world.JOB_PLACE or rng.random() < 0.7 else f"{hero.kind} called {hero.name}"
    trait = hero.trait + " " if hero.trait and rng.random() < 0.3 else ""
    about = rng.choice(topics(rng, tale, plot, f"{trait}{kind}"))
    if roll < 0.15:
        ask = "{Tell me a story.|Tell me a story|Please tell me a story.|I want to hear a story.|Can you tell me a story?|Tell me something.|Write a story.|Another story, please.|Tell me a short story.|Once more, please.|Surprise me.}"
    else:
        ask = f"{{Tell me a story about {about}.|Tell me a story about {about}.|Tell me a story about {about}|A story about {about}, please.|Write a {{|short }}story about {about}.|Can you tell me {{a story about {about}|something about {about}}}?|I would like a story about {about}.|Do you know a story about {about}?|Please tell me a story about {about}.}}"
    text = tale.text
    if rng.random() < 0.12:
        text = render(rng, "{Gladly.|Here is one.|Listen.|Of course.|With pleasure.}") + " " + text
    unknown = rng.random()
    if unknown < 0.03:  # half of the wish can be granted
        no = rng.choice(UNKNOWN)
        ask = f"{{Tell me a story about|Write a story about|A story about|I would like a story about}} a {hero.kind} and a {no}."
        text = render(rng, f"{{There is no {no} in Larkhaven|I know no {no}|Nobody in Larkhaven has ever seen a {no}}}, but here is a story about a {hero.kind}.") + "\n\n" + tale.text
    elif unknown < 0.07:
        no = rng.choice(UNKNOWN)
        ask = f"{{Tell me a story about a {no}.|A story about a {no}, please.|Write a story about a {no}.|Tell me a story about a {no} and a {rng.choice(UNKNOWN)}.}}"
        text = render(rng, f"{{There is no {no} in Larkhaven|I know no {no}|Nobody in Larkhaven has ever seen a {no}}}, but {{here is another story|I can tell you about somebody else|listen to this one}}.\n\n") + "\n\n" + tale.text
    turns = [("user", render(rng, ask)), ("assistant", text)]
    if rng.random() < 0.5:
        name = who(hero, rng)
        asks = [("{Who is the story about?|What is the name of the hero?|Who was the hero?}" if hero.name else "{Who is the story about?|Who was the hero?}",
                 f"{{The story is about {name}.|It is about {name}.|The hero is {name}.}}"),
                ("{What did we learn?|What is the moral?|What does the story teach?|What is the lesson?|What can one learn from it?}", f"{{The story teaches that {f['lesson']}.|That {f['lesson']}.|One learns that {f['lesson']}.}}")]
        if "ask_found" in f:
            asks += [(f"{{Where was the {f['object'].noun}?|Where did they find the {f['object'].noun}?|Where was it?}}", f"{{It was|They found it|The {f['object'].noun} was}} {f['found'].at}."),
                     (f"{{What did {name} lose?|What was lost?}}", f"{{{name} lost {f['object'].form('a', rng)}.|It was {f['object'].form('a', rng)}.}}"),
                     (f"{{Who helped {name}?|Who helped?}}", f"{{It was {who(f['helper'], rng)}.|{who(f['helper'], rng)} helped.}}")] * 2
        if "made" in f:
            asks += [(f"{{What did {name} make?|What was made?}}", f"{{{name} made {f['object'].form('a', rng)}.|It was {f['object'].form('a', rng)}.}}")] * 2
        if "skill" in f:
            asks += [(f"{{What did {name} learn?|What could {name} not do at first?}}", f"{{{name} learned to {f['skill']}.|It was how to {f['skill']}.}}")] * 2
        if "part" in f:
            asks += [("{What was broken?|What did not work?}", f"It was {f['broken']}."), ("{What was missing?|What did they need?}", f"{{They needed {f['part']}.|It was {f['part']}.}}")]
        if "rescued" in f:
            asks += [("{Who was in danger?|Who was saved?}", f"{{It was {who(f['rescued'], rng)}.|{who(f['rescued'], rng)} was.}}")] * 2
        if "goal" in f:
            asks += [(f"{{Where did {name} have to go?|Where did {name} go?}}", f"{{To {f['goal'].name}.|{name} went to {f['goal'].name}.}}"), (f"{{What did {name} carry?|What did {name} bring?}}", f"{{It was {f['object'].form('a', rng)}.|{name} brought {f['object'].form('a', rng)}.}}")] * 2
        if "culprit" in f:
            asks += [("{Who was it in the end?|Who was it?|Was it a ghost?}", f"{{It was only {who(f['culprit'], rng)}.|It was {who(f['culprit'], rng)}, not a ghost.}}")] * 2
        if "creature" in f:
            asks += [(f"{{What did {name} find?|Which animal was hurt?}}", f"It was a {f['creature']}.")] * 2
        if "present" in f:
            asks += [("{What was the present?|What did the friend get?}", f"{{The present was {f['present']}.|It was {f['present']}.}}")] * 2
        if "ask_dug" in f:
            asks += [("{What was in the box?|What did they find?|What was the treasure?}", f"It was {f['object'].form('a', rng)}.")] * 2
        if "proud" in f:
            asks += [("{Who boasted?|Who talked too much?}", f"It was {who(f['proud'], rng)}.")] * 2
        if "contest" in f:
            asks += [("{What was the prize?|What could one win?}", f"The prize was {f['prize'].form('a', rng)}."), ("What kind of contest was it?", f"It was a {f['contest']}.")]
        for question, answer in rng.sample(asks, rng.choice([1, 1, 2])):
            turns += [("user", render(rng, question)), ("assistant", render(rng, answer))]
    if rng.random() < 0.1:
        where = rng.choice(world.PLACES)
        more = SEQUEL.replace("PLACEAT", where.at).replace("PLACE", where.name).replace("DETAIL", where.detail).replace("WHO", who(hero, rng)).replace("HE", "she" if hero.she else "he")
        turns += [("user", render(rng, "{What happened then?|And then?|What happened next?|Go on.|Continue.|continue|Tell me more.|Is there more?}")), ("assistant", render(rng, more))]
    return turns
