"""More plots, of the same form as those in plots.py."""
import plots
import world


def honesty(t):
    """Something is broken, another is blamed, the truth is told."""
    cup, owner = t.rng.choice([("the blue cup", "Ines"), ("the big window", "Wren"), ("the music box", "Jonas"), ("the new oar", "Tobin"), ("the glass of the lamp", "Ada"), ("the flower pot", "Rosa"), ("the finest plate", "Hugo")])
    if owner in (t.hero.name, t.friend.name):
        cup, owner = next(x for x in (("the old barometer", "Mora"), ("the loom", "Tilda"), ("the flour jar", "Bram")) if x[1] not in (t.hero.name, t.friend.name))
    keeper = t.neighbour(owner)
    t.open()
    t.say("{One day [a he] was playing with a ball [x at].|[a] was running about [x at].|[a] was helping [k the] [x at].|It was raining, and so [a he] played inside, [x at].}", k=keeper, x=world.place(world.JOB_PLACE[keeper.kind]))
    t.say(f"{{Then there was a crash.|Suddenly something fell.|[a he] turned around too fast.|Crash!}} {{[a] had broken {cup}.|{cup} lay on the floor in pieces.|{cup} was broken.}}")
    t.mood(t.hero, "afraid", 0.8)
    t.say("{Nobody had seen it.|[a he] was all alone.|Quickly [a he] hid the pieces under a sack.}", 0.8)
    t.speak(keeper, f"{{Who has done this?|What has happened to {cup}?|Who broke {cup}?}}", "asked", "came in")
    t.speak(t.hero, "{It was [b].|I think that it was [b].|I do not know. Perhaps it was [b].|It must have been the wind.}", "{said|answered|whispered}", "looked away")
    t.paragraph()
    t.say("{That night [a] could not sleep.|But [a] could not enjoy the day any more.|The lie lay in [a his] belly like a stone.|[a he] could not eat [a his] supper.}")
    t.say("{Everybody was angry with [b], who did not understand why.|[b] sat all alone and was sad.|Outside [b] was standing in the cold and crying.}", 0.8)
    t.say("{In the morning|At last|After a long night} [a] {took all [a his] courage and went back|ran to [k the]|knocked at the door of [k]}.", k=keeper)
    t.speak(t.hero, f"{{I broke {cup}. I am sorry.|It was not [b]. It was I.|I did not tell the truth.}} {{I was afraid.|Please do not be angry.|I will pay for it.|}}", "said")
    t.say("{[k] was quiet for a while.|[k] looked at [a him] for a long time.|[k] sighed, but then [k he] smiled.}", k=keeper)
    t.speak(keeper, "{A thing can be mended, and so can a mistake.|It was brave of you to tell me.|Thank you for telling the truth.|I broke one too when I was small.}", "said")
    t.say("{Then they glued the pieces together.|[a] swept the floor for a whole week.|[a] said sorry to [b], and [b] forgave [a him].|And [b] got the biggest piece of cake.}")
    t.facts.update(helper=keeper, friend=t.friend, broken=cup, topic="telling the truth")
    return t.close(t.rng.choice(["the truth makes the heart light", "a lie is heavier than a stone", "it is brave to tell the truth"]))


def guest(t):
    """A stranger asks for shelter on a bad night and gives something back."""
    t.weather = t.rng.choice([w for w in world.WEATHERS if w.name in ("storm", "rain", "snow", "fog")])
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
    chain = [c for c in chain if c[1] != t.hero.name]
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


def boast(t):
    """A fable: one boasts, the other is modest; the world decides."""
    claim, test, fall = t.rng.choice([
        ("the fastest runner in the village", "a race to the lighthouse and back", "fell asleep under a tree, so sure of winning"), ("the strongest of all", "to carry a sack of flour up the hill", "had to put it down after ten steps"),
        ("the best sailor on the coast", "to sail around the rock", "forgot to tie the sail"), ("the cleverest of all", "to find out how many apples were in the basket", "would not even count them"),
        ("never afraid", "to go alone into Whisper Wood at night", "ran home when an owl called"), ("the best cook in [village]", "to cook soup for the whole village", "put sugar into it instead of salt")])
    proud = t.friend
    t.open()
    t.say("{[a own] neighbour was [b intro].|Next door lived [b intro].|Not far away lived [b intro].} {Every day [b he] told everybody how good [b he] was.|[b he] loved to talk about [b self].|}")
    t.speak(proud, f"{{I am {claim}.|Everybody knows that I am {claim}.|Nobody is like me. I am {claim}.}}", "said", "stood up straight")
    t.speak(t.helper, f"{{Is that so? Then let us see.|Then show it to us.|Would you like to prove it?}}", "{asked|said}", "smiled")
    t.say(f"{{The task was {test}.|So there was a test: {test}.|They agreed on {test}.}}" if test.startswith("a ") else f"{{The task was {test}.|They had {test}.|[b] and [a] each had {test}.}}")
    t.speak(t.hero, "{I will try it, too.|I am not very good at that, but I will do my best.|May I try as well?}", "{said|asked}")
    t.paragraph()
    t.sky(0.6)
    t.say(f"{{[b] laughed out loud, but then [b he] {fall}.|At first all went well, but then [b] {fall}.|And what happened? [b] {fall}.}}")
    t.say("{[a], however, went on step by step.|But [a] did not hurry and did not stop.|[a] thought first and then began.|[a] said nothing and did it.} {So it was [a] who did it.|And in the end, [a] had done it.|And [a] did it.}")
    t.say("{[b] turned red.|[b] did not know where to look.|For the first time, [b] had nothing to say.}")
    t.speak(proud, "{I talked too much.|You are better than I.|Will you show me how you did it?|I will be quiet now.}", "{said|asked}")
    t.speak(t.hero, "{Come, I will show you.|Next time we will do it together.|Everybody can do something well.}", "{said|answered}", "smiled", ) if t.rng.random() < 0.6 else None
    t.facts.update(friend=t.friend, helper=t.helper, proud=proud, topic="a boaster" if t.rng.random() < 0.5 else "being proud")
    return t.close(t.rng.choice(["great words are light and great deeds are quiet", "one should do more and talk less", "who boasts falls far"]))


def bottle(t):
    """A message or map out of the sea, a search, a find that is worth more or less than gold."""
    t.open()
    t.say("{One morning [a he] found {a bottle|a small box} on the beach.|The waves brought {a bottle|a small box} to the shore.|Something was floating in the harbour: {a bottle|an old box}.} {In it was a piece of paper.|There was a paper inside.}")
    clue = t.rng.choice(["three steps north of", "under the big stone near", "where the shadow falls at noon, close to", "ten steps behind"])
    t.say(f"{{On it was written: \"Dig {clue} [q].\"|It was a map, and a red cross was {clue} [q].|It said: \"Who is brave shall look {clue} [q].\"}}")
    t.speak(t.hero, "{A treasure!|I must show this to [b]!|Who may have written it?|Somebody has hidden something.}", "{cried|said}")
    t.say("{So [a he] went to see [b].|[a he] ran to [b] and showed [b him] the paper.|[b] wanted to come along.}")
    t.paragraph()
    t.sky(0.7)
    t.say("{They took a spade and a lantern.|With a spade and a piece of bread they set out.|They did not tell anybody.} {The way was long.|Along the river they walked, and over the bridge.|They walked past [p].}")
    t.say("{They came to [q].|At last they stood [q at].} {They counted the steps and began to dig.|They dug and dug.|[b] dug, and [a] held the light.}")
    t.say("{Nothing!|At first they found only stones.|[b] wanted to give up.|Then the spade hit something hard.|}")
    t.speak(t.friend, "{There is something!|Shall we open it?|Wait. Do you hear that?|I can feel something!}", "{cried|asked|whispered}")
    t.say("{It was a box, and in it lay [o a].|Out of the earth came [o a].|They pulled out a chest. In it was [o a].} {And a letter: \"I was a child here, a hundred years ago. Be happy.\"|Nothing else.|And one coin for each of them.|It was old and beautiful.}")
    t.say("{They laughed, because they had hoped for gold.|They were not rich, but they had a secret.|They brought it to [c the], who put it into the school for all to see.|It was no gold, but it was a treasure.}")
    t.mood(t.hero, "glad", 0.6)
    t.facts.update(object=t.thing, friend=t.friend, helper=t.friend, found=t.places[1], topic=t.rng.choice(["a treasure", "a message in a bottle", "a treasure map"]), ask_dug=True)
    return t.close(t.rng.choice(["the search is often better than the treasure", "a treasure is best when it is shared", "old things have stories to tell"]))


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


PLOTS = [plots.lost, plots.make, plots.rescue, plots.quarrel, plots.journey, plots.mystery, plots.garden, plots.contest, plots.learn,
         plots.friendship, plots.repair, honesty, guest, nurse, swap, boast, bottle, lantern_night, wafers]
