"""Plots of giving: shelter, care, a present, a light. Each takes a Tale and tells it to its end."""
import world


def guest(t):
    """A stranger asks for shelter on a bad night and gives something back."""
    t.weather = t.rng.choice([w for w in world.WEATHERS if w.name in ("storm", "rain", "snow", "fog")])
    t.recast("friend")
    t.open()
    t.sky(1.0)
    t.say("{In the evening|Late that night|When it was dark}, {there was a knock at the door|somebody knocked|[a] heard steps outside}.")
    t.say("{Outside stood [b intro], wet and tired.|It was [b intro].|In the doorway stood [b intro].}")
    t.speak(t.friend, "{May I come in?|I have lost my way. Can I stay until morning?|All the other doors were closed.|I am so cold and hungry.}", "{said|asked}")
    t.say("{[a] had only one piece of bread left.|[a own] house was very small.|[a he] had never seen [b him] before.|In the pot there was only a little soup.}")
    t.speak(t.hero, "{Come in, there is room by the fire.|What is enough for one is enough for two.|Of course. Sit down and get warm.}", "said", "opened the door wide")
    t.paragraph()
    t.say("{They shared the soup and told each other stories.|All night they talked about the sea.|[b] ate, and then [b he] fell asleep by the fire.|They sat by the fire and listened to the night.}")
    t.still(0.5)
    t.say("{In the morning [b] was gone, but on the table lay [o a].|When [a] woke up, the guest had left. On the chair lay [o a].|Before [b he] left, [b] took [o a] out of a bag and gave it to [a].}")
    t.say("{It was the finest [o n] that [a] had ever seen.|Nobody in the village had such a [o n].|With it was a note: \"For the kindest house in [village].\"|}")
    t.mood(t.hero, "glad", 0.7)
    t.facts.update(object=t.thing, friend=t.friend, helper=t.friend, topic="a stranger at the door", giver=t.friend)
    return t.close(t.rng.choice(["one should never close the door to somebody in need", "who shares has more", "kindness comes back"]))


def nurse(t):
    """A hurt wild creature is cared for and let go."""
    creature, hurt, food = t.rng.choice([("little gull", "wing", "fish"), ("young owl", "wing", "bread"), ("baby seal", "flipper", "fish"), ("small deer", "leg", "clover"), ("wild duck", "foot", "seeds"), ("grey dove", "wing", "seeds")])
    t.places[1] = world.place(t.rng.choice(["the beach", "the river", "the meadow", "the hill", "Whisper Wood"]))  # where it is let go
    t.open()
    t.say(f"{{One day [a he] found|On the way home, [a he] saw|In the grass [p at] lay}} a {creature} {{whose {hurt} was hurt|with a hurt {hurt}}}.")
    t.still(0.3)
    t.speak(t.hero, f"{{You poor thing!|Do not be afraid. I will help you.|Who will look after you?}}", "{said|whispered}")
    t.say(f"{{Carefully [a] carried it home.|[a] took off [a his] coat and wrapped it up.|[a he] carried it to [c the].}}")
    t.speak(t.helper, "{It needs rest and warmth.|Keep it in a box with hay.|Give it food three times a day.|Perhaps it will live, perhaps not.}", "said", "looked at it closely")
    t.paragraph(0.6)
    t.say(f"{{Every day|Three times a day|Every morning and every evening}} [a] {{brought it {food}|fed it with {food}|gave it water and {food}}}. {{At night [a he] slept beside the box.|[b] helped, too.|[a he] called it Pip.|It soon knew [a own] voice.}}")
    t.say(f"{{After two weeks, the {hurt} was well again.|Little by little, the {hurt} healed.|One morning it stood up by itself.}}")
    t.speak(t.friend, "{Now you must let it go.|It wants to go home.|You cannot keep it for ever.}", "said")
    t.mood(t.hero, "sad", 0.7)
    t.paragraph(0.5)
    t.say(f"{{So they carried it to [q].|[a] opened the box [q at].|The next day they went to [q].}} {{The {creature} looked back once, and then it was gone.|It turned its head, as if to say thank you.|For a moment it stayed. Then it was off.}}")
    t.say(f"{{Sometimes, in the evening, it came back to visit.|[a] cried a little, but [a he] was happy, too.|In the spring it came back and was not alone.|}}")
    t.facts.update(helper=t.helper, friend=t.friend, creature=creature, topic=f"a {creature}", found=t.places[0])
    return t.close(t.rng.choice(["loving something can mean to let it go", "every creature wants to be free", "small care can heal big wounds"]))


def swap(t):
    """A chain of swaps leads from a worthless thing to what was needed."""
    chain = t.rng.sample([("an old rope", "Mora"), ("a bag of flour", "Bram"), ("a warm loaf", "Ines"), ("three nails", "Otto"), ("a basket of apples", "Rosa"), ("a candle", "Hugo"), ("a piece of cloth", "Tilda"), ("a little oar", "Tobin"), ("a box of screws", "Jonas")], 3)
    chain = [c for c in chain if c[1] not in (t.hero.name, t.friend.name)]
    t.open()
    t.say("{[a he] wanted a present for [b], but [a he] had no money.|It was the birthday of [b], and [a he] had no present.|[a he] needed a present for [b].} {All [a he] had was [o a].|In [a his] pocket was only [o a].}")
    t.paragraph(0.5)
    have = "the " + t.thing.form("full", t.rng)
    for i, (thing, giver) in enumerate(chain):
        g = t.neighbour(giver)
        t.say(("{First|On the way}" if i == 0 else "{Then|Next|A little later}") + " [a he] met [g].", g=g)
        have_short = "the " + t.thing.noun if i == 0 else "the " + have.split(" ", 1)[1]
        t.speak(g, f"{{That is just what I need! I will give you {thing} for {have_short}.|Would you swap {have_short} for {thing}?|I have {thing}. Shall we swap?}}", "said", "looked at " + have_short)
        t.say("{[a] {agreed|nodded|thought about it and said yes}.|}" + f" So [a] {{got|now had}} {thing}.")
        have = thing if thing.split()[0] in ("a", "an", "three") else "a " + thing
    t.paragraph()
    last = chain[-1][0]
    t.say(f"{{At last [a he] came to [b].|[b] was waiting [p at].|In the evening, [a he] knocked at the door of [b].}} {{[a] gave [b him] {last}.|And the present was {last}.}}")
    t.speak(t.friend, "{How did you know? That is what I wished for.|What a fine present!|I have never had a better present.|And I thought that everybody had forgotten me!}", "{said|cried}")
    t.mood(t.hero, "glad", 0.7)
    t.facts.update(object=t.thing, friend=t.friend, helper=t.friend, present=last, topic="a birthday")
    return t.close(t.rng.choice(["what one does not need may be a treasure to another", "with a little wit, a little becomes much", "a present comes from the heart"]))


def lantern_night(t):
    """The feast: a light goes out, and another light is shared."""
    t.thing = world.Thing("lantern", t.rng.choice(world.ADJECTIVES))
    t.open()
    t.say("{It was Lantern Night.|Lantern Night had come at last.|All year [a he] had waited for Lantern Night.} {Everybody walked down to the harbour with a light.|Lights shone in every street.|In every window there was a light.}")
    t.say("{[a] had [o a].|[a] had worked on [o a] for a week.|[a] carried [o a].|[a own] lantern was small, but it was the dearest thing that [a he] had.}")
    out = t.rng.choice(["a gust of wind blew the candle out", "[a he] stumbled, and the candle went out", "rain put the candle out", "the candle was used up"])
    t.say(f"{{But on the way|On the stone bridge, however,|Then}} {out}.")
    t.mood(t.hero, "sad", 0.8)
    t.speak(t.hero, "{Now I have no light.|I must go home.|Everybody has a light but me.|It is so dark.}", "said")
    t.paragraph()
    t.say("{Then a light came nearer. It was [b intro].|[b intro] saw it and stopped.|Behind [a him] walked [b intro].}")
    t.speak(t.friend, "{Take some of my light.|A candle loses nothing when it lights another.|Hold your candle to mine.|We can share my light.}", "said", "smiled")
    t.say("{And the two candles touched, and now there were two lights.|[a own] lantern shone again, brighter than before.|So [o the] shone once more.}")
    t.say("{Together they walked to the harbour.|Arm in arm they went down to the sea.} {The water was full of lights.|Everybody sang.|There was soup for all, and [c] played the flute.|Ines gave a warm wafer to every child.}")
    if t.rng.random() < 0.5:
        t.say("{Then they met a little child who had no light, and [a] shared, too.|Later [a] gave some of the light to [c the].|And when another lantern went out, [a] knew what to do.}")
    t.facts.update(object=t.thing, friend=t.friend, helper=t.friend, topic="Lantern Night")
    return t.close(t.rng.choice(["light grows when it is shared", "a small light is enough in the dark", "nobody has to walk in the dark alone"]))
