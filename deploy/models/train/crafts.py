"""Plots of hands: something is made, grown, mended, learned or baked. Each takes a Tale and tells it to its end."""
import world


def make(t, noun=None):
    """Something is made out of parts that neighbours give; a first try goes wrong, the second works."""
    noun = noun or t.rng.choice(list(world.MADE))
    parts = list(world.MADE[noun])
    t.thing = world.Thing(noun, t.rng.choice(["little", "big", "beautiful", "red", "blue", "strong", "simple"] if noun not in ("cake", "soup") else ["big", "sweet", "good", "warm"]))
    t.open()
    why = t.rng.choice(["[a he] wanted to give it to [b]", "[b] had a birthday", "it was almost time for Lantern Night", "[a he] had dreamed of it all winter", "nobody in the village had one"])
    t.say("{[a] wanted to make [o a], because WHY.|[a] had a plan. [a he] would make [o a].|More than anything, [a] wished for [o a].|One day [a he] said, \"I will make [o a].\"}".replace("WHY", why))
    t.sky(0.4)
    names = [p[0] for p in parts]
    t.say(f"{{For that [a he] needed|To make it, one needs|[a he] made a list:}} {names[0]}, {names[1]} and {names[2]}.")
    t.paragraph()
    for i, (part, giver) in enumerate(parts):
        them = "them" if part.endswith("s") and part != "glass" else "it"
        bring = "Just bring me a piece when it is done" if noun in ("cake", "soup") else "Show me the [o n] when it is done"
        if giver and giver != t.hero.name:
            g = t.neighbour(giver)
            where = world.place(world.JOB_PLACE[g.kind])
            t.say(("First" if i == 0 else "{Then|After that|Next}") + " [a he] {went|walked|ran} to [g the]{| [x at]}.", g=g, x=where)
            t.speak(t.hero, "{Could you give me PART?|I need PART for my [o n].|Do you have PART for me?|Please, may I have PART?}".replace("PART", part), "{asked|said}")
            reply = t.rng.random()
            if reply < 0.4:
                t.speak(g, "{Of course.|Take what you need.|Gladly.|You may have THEM.} {BRING.|But be careful.|Good luck!|}".replace("BRING", bring).replace("THEM", them), "{said|answered}", "smiled")
            elif reply < 0.8:
                chore = t.rng.choice(["sweep the floor", "carry the wood inside", "feed the hens", "bring water from the well", "clean the windows"])
                past = {"sweep": "swept", "carry": "carried", "feed": "fed", "bring": "brought", "clean": "cleaned"}
                verb, rest = chore.split(" ", 1)
                t.speak(g, f"{{If you {chore}, you may have {them}.|First {chore}, then you may have {them}.|Will you {chore} for me? Then {them == 'it' and 'it is' or 'they are'} yours.}}", "{said|answered}", "thought for a moment")
                t.say(f"{{So|At once|Without a word}} [a] {past[verb]} {rest}, and {{got|received}} {part}.")
            else:
                t.say(f"[g] {{looked in a box|opened a drawer|nodded}} and gave [a him] {part}.", g=g)
        else:
            t.say("{[a he] found PART [x at].|PART lay [x at], and nobody needed it.|PART was easy to find [x at].}".replace("lay", "could be found").replace("PART", part), x=t.places[i])
    t.paragraph()
    t.say("{At last [a he] could begin.|Now the work began.|[a he] worked the whole {afternoon|evening|morning}.|[a he] set to work at once.}")
    wrong = {"cake": "the cake fell apart", "soup": "the soup was much too salty", "kite": "the string broke", "boat": "the boat leaked", "raft": "a knot came loose", "lantern": "the candle went out", "drum": "the drum made no sound", "scarecrow": "the scarecrow fell over", "birdhouse": "the roof was crooked", "blanket": "the thread was tangled", "cart": "a wheel fell off", "music box": "the spring jumped out"}[noun]
    t.say(f"{{But|At first, however,|Oh dear! But}} {wrong}.", 0.8)
    t.mood(t.hero, "sad", 0.4)
    if t.rng.random() < 0.7:
        t.speak(t.friend, "{Try again.|Nobody gets it right the first time.|Slowly! Then it will work.|Let me hold it while you work.}", "said", "{came in|watched [a him]}")
    t.say("{[a] began again, {more slowly|more carefully|with new courage}, and this time it worked.|So [a he] tried once more, and it worked.|The second time, everything went well.}")
    t.say("{At last [o the] was ready.|And then [o the] stood there, finished.|When the bell rang, [o the] was ready.}")
    t.mood(t.hero, "proud", 0.7)
    t.say("{Everybody came to see it.|[b] clapped.|[a he] shared it with all who had helped.|[b] said that it was the best [o n] in [village].}", 0.7)
    t.facts.update(object=t.thing, topic=f"how to make a {noun}", helper=t.friend, made=noun)
    return t.close(t.rng.choice(["many hands make light work", "one learns by trying again", "patience is the best tool", "things that one makes oneself are the dearest"]))


def garden(t):
    """A seed, much waiting, a danger, a harvest that is shared."""
    plant = t.rng.choice(["pumpkin", "bean", "sunflower", "apple tree", "turnip", "strawberry", "pear tree"])
    t.thing = world.Thing(plant, t.rng.choice(["big", "little", "beautiful"]))
    t.open(dated=False)
    t.say("{One spring day [a he] {got|found} a seed.|[c the] gave [a him] a {tiny|brown|round} seed.|In a drawer [a he] found one last seed.}")
    t.speak(t.hero, "{I wonder what it will be.|I will plant it.|It is so small!|What shall I do with it?}", "said")
    t.say("[a he] {dug a hole|made a little hole} {behind the house|near the well|by the garden wall}, put the seed in and {covered it with earth|gave it water}.")
    t.paragraph(0.6)
    t.say("{Every morning [a he] looked, and every morning there was nothing.|A week went by, and nothing happened.|[a he] waited and waited.}")
    t.mood(t.hero, "sad", 0.4)
    t.speak(t.friend, "{Give it time.|Maybe the seed is asleep.|You cannot hurry a seed.|Has it had enough water?}", "said", "came to look")
    t.say("{Then, after a night of rain, a small green leaf came out of the earth.|And one day, there was a green tip.|At last a tiny plant stood there.}")
    t.mood(t.hero, "glad", 0.7)
    danger = t.rng.choice([("snails came to eat the leaves", "carried every snail to the meadow"), ("it did not rain for weeks", "carried water from the well each evening"), ("a storm was coming", "tied the plant to a strong stick"), ("a goat broke the fence", "mended the fence with three boards"), ("a frost came in the night", "covered the plant with an old blanket")])
    t.say(f"{{But then|Then, however,|In the summer}} {danger[0]}. {{So [a] {danger[1]}.|What could be done? [a] {danger[1]}.|Luckily [a] had an idea and {danger[1]}.}}")
    t.paragraph(0.5)
    t.say("{The plant grew and grew.|Week by week it grew taller.|In the autumn it was taller than [a him].} {It was [o a]!|It had become [o a], the biggest in [village].|And what was it? [o a]!}")
    t.say("{[c the] had never seen such a [o n].|All the neighbours came to look.|People came even from over the river to see it.|}")
    t.say("{[a] shared it with everybody.|There was enough for the whole village.|[a he] gave the first piece to [b].|[a he] kept one seed for the next year.}")
    t.facts.update(object=t.thing, helper=t.friend, topic="a garden", plant=plant, giver=t.helper)
    return t.close(t.rng.choice(["good things need time", "what one cares for will grow", "patience is sweeter than sugar"]))


def learn(t):
    """The hero cannot do something, fails, gets a tip, practises, succeeds."""
    skill, fail, tip = t.rng.choice([
        ("swim", "swallowed water and coughed", "Breathe out slowly and kick like a frog"), ("whistle", "made only a wet, windy sound", "Make your lips small and round"),
        ("row a boat", "went round and round in a circle", "Pull both oars at the same time"), ("read", "mixed up all the letters", "Take one letter after the other"),
        ("bake bread", "burned the loaf until it was black", "Watch the fire, not the clock"), ("climb a tree", "slipped and fell into the grass", "First look for the next branch, then move your foot"),
        ("dance", "stepped on everybody's toes", "Do not look at your feet, listen to the drum"), ("skate", "sat down hard on the ice", "Bend your knees a little"),
        ("play the flute", "frightened the hens away", "Blow as softly as if it were a candle"), ("ride a pony", "slid down on the other side", "Sit still and trust the pony")])
    t.recast("hero")
    t.open()
    t.say(f"{{There was one thing that [a he] could not do: [a he] could not {skill}.|[a] could do many things, but [a he] could not {skill}.|Everybody could {skill}, only [a] could not.|[a] wanted to learn to {skill}.}}")
    t.say(f"{{The first time [a he] tried, [a he] {fail}.|[a he] tried it alone and {fail}.|When [a he] tried, [a he] {fail}.}} {{[b] laughed.|Somebody laughed.|It was no use.|}}")
    t.mood(t.hero, "sad", 0.7)
    t.speak(t.hero, "{I will never learn it.|It is too hard for me.|Why can everybody do it but me?}", "said", "hung [w his] head")
    t.paragraph()
    t.say("{[c the] had seen it all.|But [c the] had been watching.|Then [c the] came by.}")
    t.speak(t.helper, "{When I was young, I could not do it either.|Nobody is born with it.|You are doing well.|Do you want to know a secret?} " + tip + ".", "said", "{smiled|sat down beside [a him]}")
    t.say("{[a] tried again, and it was a little better.|[a] did as [c he] said.|From then on, [a] practised every {day|morning|evening}.|On the next day [a he] tried again, and on the next, and on the next.}")
    t.still(0.3)
    t.paragraph(0.5)
    t.say(f"{{And one day, it worked!|Then, all at once, [a he] could do it.|After a week, [a] could {skill}.|And suddenly it was easy.}}")
    t.mood(t.hero, "glad", 0.8)
    t.speak(t.hero, f"{{Look, I can {skill}!|I can do it!|It works!}}", "{cried|shouted}")
    t.say(f"{{Later, [a] taught [b] to {skill}, too.|Now [b] wanted to learn it as well.|[c] nodded and was proud of [a him].|Nobody laughed any more.}}")
    t.facts.update(helper=t.helper, topic=f"learning to {skill}", skill=skill, tip=tip)
    return t.close(t.rng.choice(["every master was once a beginner", "one can learn almost anything with time", "it is no shame to fail, only to stop trying"]))


def repair(t):
    """Something the village needs is broken and must work again before a fixed hour."""
    thing, effect, part, hour = t.rng.choice([
        ("the lamp of the lighthouse", "no ship could find the harbour", "a new wick", "before the night came"),
        ("the mill wheel", "there was no flour for bread", "a strong wooden pin", "before the baker's fire was lit"),
        ("the big clock", "nobody knew when to ring the bell", "a tiny spring", "before noon"),
        ("the ferry", "nobody could cross the river", "a new oar", "before market day"),
        ("the school bell", "the children came too late", "a piece of rope", "before Monday"),
        ("the stone bridge", "the carts could not reach the market", "three heavy stones", "before Saturday"),
        ("the village well", "there was no water", "a new chain", "before evening")])
    t.open()
    t.say(f"{{One day {thing} was broken.|Then something bad happened: {thing} was broken.|One morning {thing} did not work any more.}} {{Now {effect}.|Because of that, {effect}.|And so {effect}.}}")
    t.sky(0.5)
    t.speak(t.helper, f"{{It must work again {hour}.|What shall we do?|I have tried everything.|Without {part} I cannot mend it.}}", "said", "{scratched [w his] head|looked worried}")
    t.speak(t.hero, "{Let me try.|Perhaps I can help.|I know somebody who can help.|I am small, but I have good eyes.}", "said")
    t.paragraph(0.6)
    t.say(f"{{[a] looked at it from all sides.|[a] looked closely.|[a he] crept inside with a candle.}} {{Then [a he] saw what was missing: {part}.|\"We need {part},\" [a he] said.|It was clear that it needed {part}.}}")
    t.say(f"{{But where could one get {part}?|There was none in the village.|[a he] looked [p at], but found nothing.|}} {{[a he] asked [b intro].|Then [a he] thought of [b intro].|[b intro] knew the answer.}}")
    t.speak(t.friend, f"{{I have just the right thing at home.|Look [q at], there is an old box.|I will give you mine, if you let me help.}}", "{said|answered}")
    t.say(f"{{They ran as fast as they could.|There was not much time.|The sun was already low.|}} {{They brought {part} and set to work.|With {part} in [a his] hands, [a] ran back.}}")
    t.still(0.3)
    t.say("{[a] held the light, and [c] worked.|They pushed, pulled and turned.|[a] fitted it in, very carefully.|It took all their strength.}")
    t.say(f"{{And just {hour}, {thing} worked again.|At last {thing} was whole again.|Then there was a click, and {thing} worked.}}")
    t.say("{Everybody cheered.|[c] lifted [a him] up high.|The whole village was thankful.|}")
    t.speak(t.helper, "{We could not have done it without you.|Well done, [a call]!|You have sharp eyes, [a call].}", "said")
    t.facts.update(helper=t.friend, topic=thing, broken=thing, part=part)
    return t.close(t.rng.choice(["even small hands can do great things", "one should look closely before giving up", "together one can mend almost anything"]))


def wafers(t):
    """A day in the bakery: a mistake becomes an invention."""
    t.helper = world.resident("Ines")
    if t.hero.name == "Ines":
        t.hero = world.Character("Nell", "girl", True, "curious")
    t.open()
    t.say("{One day [a he] was allowed to help [c the].|[c the] needed help [h at].|[a he] wanted to learn how wafers are made, and so [a he] went to [c the].}", h=world.place("the bakery"))
    t.speak(t.helper, "{A wafer must be thin and crisp.|Pour in a little dough, close the irons, and count to ten.|Be careful, the irons are hot.|The secret of a good wafer is patience.}", "said")
    slip = t.rng.choice([("poured in too much dough", "as big as a cartwheel"), ("forgot to count", "as brown as a chestnut"), ("put honey into the dough", "sweet and golden"), ("dropped an apple into the dough", "red and sweet"), ("bent the hot wafer", "shaped like a little boat"), ("pressed a key into the dough", "covered with a fine pattern")])
    t.say(f"{{At first all went well.|[a] counted aloud.|[a] worked and worked.|}} {{But then [a he] {slip[0]}.|Then [a he] {slip[0]}.|By accident [a he] {slip[0]}.}}")
    t.speak(t.hero, "{Oh no! What have I done?|I have spoiled it!|I am sorry, Ines.}", "{cried|said}")
    t.say(f"{{The wafer was {slip[1]}.|Out came a wafer that was {slip[1]}.|And the wafer? It was {slip[1]}.}}")
    t.paragraph(0.6)
    t.say("{But [c] tasted it and said nothing for a while.|[c] broke off a piece and tried it.|Just then [b intro] came in and tasted it.}")
    t.speak(t.rng.choice([t.helper, t.friend]), "{That is the best wafer that I have ever eaten!|We must make more of them.|A mistake? That is an invention!|Do that again!}", "{said|cried}")
    t.say("{From then on they baked it every Saturday.|On market day, everybody wanted one.|People stood in a long line to get one.|Soon it was famous on the whole coast.} {They called it \"[a own] wafer\".|}")
    t.mood(t.hero, "proud", 0.7)
    t.facts.update(helper=t.helper, friend=t.friend, topic=t.rng.choice(["wafers", "the bakery", "a wafer"]), slip=slip[0])
    return t.close(t.rng.choice(["a mistake can be the start of something new", "one should taste before one complains", "good things sometimes come by accident"]))
