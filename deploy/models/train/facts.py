"""Questions about the village and their answers, all drawn from world.py."""
from grammar import render
import world

FACTS = [
    ("{What is Larkhaven?|Where do you live?|Where is Larkhaven?|Tell me about Larkhaven.|Tell me about the village.|Describe the village.|What is your village like?}",
     "Larkhaven is a {small|little} village by the sea{, at the mouth of a river|, with a harbour and a lighthouse|}. {It has a bakery, a forge, a mill, a school and a boatyard.|Twelve people work there, and everybody knows everybody.|Behind it lies Whisper Wood, and on the hill one can see the whole village.}"),
    ("{What is Lantern Night?|When is Lantern Night?|Tell me about Lantern Night.|Is there a feast in Larkhaven?}",
     "Lantern Night is {the great feast of Larkhaven|a feast} in autumn. {Everybody carries a lantern down to the harbour, and|Every child brings a lantern, and} {there is soup and singing|they sing until midnight}."),
    ("{When is market day?|When is the market?|On which day is the market?}", "Market day is Saturday. {People come to the market square from both sides of the river.|Then the market square is full of people.|}"),
    ("{When does the bell ring?|What does the bell mean?}", "The bell rings at noon {every day|}. {Then everybody stops work and eats.|}"),
    ("{What is the name of the fishing boat?|What is the Heron?|Which boat does Mora sail?|Whose boat is the Heron?}", "The Heron is {the fishing boat of Larkhaven|a fishing boat}. {Captain Mora sails it.|It belongs to Mora the captain.}"),
    ("{What is the Thistle?|How can I cross the river?|Which boat does Tobin row?|Is there a ferry?}", "{The Thistle is the ferry of Larkhaven.|There is a ferry, the Thistle.} Tobin {the ferryman|} rows {people|it} over the river. {One can also walk over the stone bridge.|}"),
    ("{What is Whisper Wood?|Where is the wood?|Is there a forest?}", "Whisper Wood lies behind the village. {It is called so because the leaves seem to whisper in the wind.|The trees are tall, and foxes and owls live there.}"),
    ("{Which animals live in Larkhaven?|What animals are there?}", "There are {foxes and owls in Whisper Wood|hares and hedgehogs in the meadow}, {otters by the river|ducks and frogs by the river}, {seals by the sea|gulls in the harbour}, and {many cats|a donkey at the mill}."),
    ("{Who lives in Larkhaven?|Name some people of Larkhaven.|Which people do you know?|Who works in the village?}", None),
    ("{Is Larkhaven real?|Does Larkhaven exist?|Can I visit Larkhaven?}", "{Larkhaven exists only in stories.|No, Larkhaven is made up.} {But you can visit it whenever you ask me for a story.|I was trained on stories about it.}"),
    ("{What colour is the Heron?|What does the Heron look like?}", "The Heron is blue and white. {Captain Mora painted it herself.|}"),
    ("{How many boats are there?|Which boats are there in Larkhaven?|What boats do you know?}", "{There are two that everybody knows: the Heron, a fishing boat, and the Thistle, the ferry.|The Heron catches fish, and the Thistle is the ferry.}"),
    ("{What can I do in Larkhaven?|What is there to see in Larkhaven?|What should I see in the village?}", "{Climb the hill, for one can see the whole village and the sea.|Go to the bakery and try a wafer.|Visit the lighthouse when Ada lights the lamp.|Walk over the stone bridge to Whisper Wood.} {And on Saturday there is a market.|And do not miss Lantern Night in autumn.|}"),
    ("{What do people eat in Larkhaven?|What is there to eat?|What is your favourite food?}", "{People eat|In Larkhaven one eats} {fish from the harbour, bread and apples|soup with beans and fish|warm bread and thin, crisp wafers}. {The bread is from Ines the baker.|}"),
    ("{What is the smallest house?|Where does the fox live?|Where do the owls live?|Who lives in Whisper Wood?}", "{Foxes and owls live in Whisper Wood.|In Whisper Wood live foxes and owls.}"),
]

NEEDS = [  # a trouble, who can help
    ("a broken boat", "Finn"), ("a broken clock", "Jonas"), ("a nail", "Otto"), ("a loaf of bread", "Ines"), ("a wafer", "Ines"), ("some flour", "Bram"), ("a fish", "Mora"), ("a candle", "Hugo"), ("some rope", "Hugo"),
    ("paper", "Hugo"), ("apples", "Rosa"), ("a blanket", "Tilda"), ("a new sail", "Tilda"), ("a horseshoe", "Otto"), ("sweets", "Hugo"), ("a broken music box", "Jonas"), ("beans", "Rosa"), ("a reading lesson", "Wren")]
DEEDS = {  # how people ask for a villager by the work
    "Ines": "bakes {the|} bread|makes {the|} wafers|keeps the bakery", "Otto": "keeps the forge|makes horseshoes|makes {the|} nails", "Ada": "keeps the lighthouse|lights the lamp|lives in the lighthouse",
    "Bram": "keeps the mill|makes {the|} flour|grinds the wheat", "Mora": "sails the Heron|catches {the|} fish|goes fishing", "Tobin": "rows the ferry|rows people over the river|takes people over the river",
    "Wren": "teaches the children|keeps the school|works as a teacher", "Jonas": "mends {the|} clocks|makes clocks|mends music boxes", "Rosa": "grows {the|} apples|keeps the orchard|grows beans",
    "Hugo": "keeps the shop|sells candles|sells sweets|sells rope", "Finn": "builds {the|} boats|mends {the|} boats|makes boats", "Tilda": "weaves {the|} blankets|makes blankets|makes {the|} sails"}
PRESENT = dict(were="are", rolled="roll", turned="turns", glowed="glows", rang="rings", smelled="smells", went="go", ran="runs",
               whispered="whisper", sparkled="sparkles", hung="hangs", lay="lie", was="is", could="can", hummed="hum")


def joined(words):
    return ", ".join(words[:-1]) + " and " + words[-1]


def need(rng):
    trouble, name = rng.choice(NEEDS)
    job, where = next((c[1], c[3]) for c in world.CAST if c[0] == name)
    ask = f"{{I have {trouble}. Who can help me?|Who mends {trouble}?}}" if "broken" in trouble else f"{{Where can I get {trouble}?|I need {trouble}.|Who has {trouble}?|Where do I find {trouble}?}}"
    return render(rng, ask), render(rng, f"{{Go to {name} the {job}.|Ask {name} the {job}.|{name} the {job} can help you.}} {{You will find {name} {world.place(where).at}.|}}")


def recipe(rng):
    noun = rng.choice(list(world.MADE))
    parts = world.MADE[noun]
    where = [f"{giver} has {part}" for part, giver in parts if giver]
    return (render(rng, f"{{How do I make a {noun}?|What do I need for a {noun}?|How does one make a {noun}?|I want to make a {noun}.|What is a {noun} made of?}}"),
            render(rng, f"{{For a {noun} you|You}} need {joined([p[0] for p in parts])}. {{{rng.choice(where)}.|}} {{Take your time, and do not give up.|And a little patience.|}}"))


def yes_or_no(rng):
    (name, job, _, where, does), other = rng.choice(world.CAST), rng.choice(world.CAST)
    if rng.random() < 0.5:
        return render(rng, f"{{Is {name} the {job}?|Is {name} a {job}?|Is the {job} called {name}?}}"), render(rng, f"{{Yes, {name} is the {job} of Larkhaven.|Yes. {name} {does}.}}")
    if other[0] == name:
        return need(rng)
    return render(rng, f"{{Is {name} the {other[1]}?|Is the {other[1]} called {name}?}}"), render(rng, f"No, {name} is the {job}. {{The {other[1]} is {other[0]}.|{other[0]} is the {other[1]}.}}")


def fact(rng):
    roll = rng.random()
    if roll < 0.25:
        return rng.choice([need, recipe, yes_or_no])(rng)
    if roll < 0.5:
        question, answer = rng.choice(FACTS)
        if answer is None:
            some = rng.sample(world.CAST, 3)
            answer = "{There are|For example,} " + joined([f"{c[0]} the {c[1]}" for c in some]) + "{.|, and many more.}"
        return render(rng, question), render(rng, answer)
    name, job, she, where, does = rng.choice(world.CAST)
    he, his = ("she", "her") if she else ("he", "his")
    at = world.place(where).at
    detail = " ".join(PRESENT.get(w, w) for w in world.place(where).detail.split())
    question, answer = rng.choice([
        (f"{{Who is {name}?|Tell me about {name}.|Do you know {name}?|What does {name} do?|What is {name}'s work?|who is {name}}}",
         f"{{{name} is the {job} of Larkhaven.|{name} is our {job}.}} {{{he} works {at} and {does}.|You will find {name} {at}. {he} {does}.|{he} {does}.}}"),
        (f"{{Who is the {job}?|Who is the {job} of Larkhaven?|What is the name of the {job}?|Do you know the {job}?|Is there a {job}?}}",
         f"{{The {job} of Larkhaven is {name}.|That is {name}.|Our {job} is called {name}.}} {{{he} {does}.|You will find {name} {at}.|}}"),
        (f"{{Where is {name}?|Where does {name} work?|Where can I find {name}?|Where do I find the {job}?}}",
         f"{{{name} works {at}.|You will find {name} {at}.|{name} is {at} on most days.}} {{|There, {detail}.}}"),
        (f"{{Who works {at}?|Whom do I meet {at}?|What happens {at}?|Tell me about {where}.|What is {where} like?}}",
         f"{{That is where {name} the {job} works.|{name} the {job} works {at}.}} {{{he} {does}.|There, {detail}.}}"),
        (f"{{Who {{{DEEDS[name]}}}?|Who {{{DEEDS[name]}}} {{in the village|in Larkhaven|here}}?|Tell me who {{{DEEDS[name]}}}.|Who {does}?|Tell me who {does}.|Can you tell me who {does}?}}", f"{{That is {name} the {job}.|{name} does. {he} is the {job}.|{name} the {job} {does}.}}"),
    ])
    return render(rng, question), render(rng, answer)
