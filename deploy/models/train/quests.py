"""Plots of going out: something is sought, carried, found out or saved. Each takes a Tale and tells it to its end."""
import world


def lost(t):
    """Something is lost, looked for, and found where its loss would put it."""
    t.open()
    t.say("{[a own] {favourite|dearest} thing was [o a].|[a] had [o a], and [a he] loved it very much.|For [a his] birthday [a he] had been given [o a].|[a] never went anywhere without [a his] [o full].|What [a he] loved most was [o a].}")
    t.say("{It had belonged to [a his] grandmother.|It was not worth much, but to [a him] it was a treasure.|[a he] had {made|found} it [p at].|}", 0.5)
    t.paragraph()
    t.sky()
    t.say("{{One day|That day|Then} [a he] {went|walked|ran} to [p], and on the way TOOK.|When [a he] came home from [p], [o] was gone.|But one day [a he] put [a his] hand into [a his] bag, and [o] was gone.}".replace("TOOK", t.weather.took))
    t.mood(t.hero, "sad", 0.8)
    t.speak(t.hero, "{Where is my [o n]?|Oh no, I have lost my [o n]!|It cannot be far away.|I must find it before it gets dark.}", "{cried|said|asked}")
    t.paragraph()
    searched = [(t.places[1], "{under every stone|behind the door|in the grass|in every corner|on the ground}")]
    if not t.short:
        searched.append((t.places[2], "{under the leaves|behind the barrels|in the straw|everywhere}"))
    finds = t.rng.sample(["an old boot", "a broken cup", "a snail", "a wet leaf", "a rusty nail", "a grey feather"], 2)
    for (where, spot), junk in zip(searched, finds):
        t.say("{[a he] looked [x at].|First [a he] searched [x at].|[a he] went to [x] and looked SPOT.|Then [a he] looked SPOT [x at].}".replace("SPOT", spot), x=where)
        t.sight(where, 0.4)
        t.say("{But [o] was not there.|There was nothing.|Nothing!|But all [a he] found was JUNK.}".replace("JUNK", junk))
    t.still(0.4)
    t.paragraph()
    t.say("{Then [a he] met [b intro].|[b intro] came along the road.|[b intro] saw [a him] and stopped.|By chance, [b intro] was passing by.}")
    t.speak(t.friend, "{What are you looking for?|Why are you so sad?|Can I help you?|What has happened?}", "asked", "{stopped|tilted [w his] head|sat down beside [a him]}")
    t.speak(t.hero, "{I have lost my [o full].|My [o n] is gone.|I cannot find my [o n] anywhere.}", "{said|answered}")
    t.speak(t.friend, "{Let us look together.|Four eyes see more than two.|Think. Where did you see it last?|Come, I have an idea.|Did you look [s at]?}", "{said|replied}")
    t.say("{So they went to [s].|Together they walked to [s].|They hurried to [s].}")
    t.sight(t.places[3], 0.4)
    t.say("{And there, {under a bush|behind a barrel|between two stones|on an old box}, lay [o the]!|There was [o the], {wet but whole|a little dirty|safe and sound}.|[b] {pointed|looked up}. There was [o the]!|Something was shining in the corner. It was [o the]!}")
    t.mood(t.hero, "glad", 0.9)
    t.speak(t.hero, "{Thank you, [b call]!|Without you I would never have found it.|You are a true friend.|How can I thank you?}", "{said|cried}", "hugged [b]")
    t.speak(t.friend, "{It was nothing.|That is what friends are for.|You would do the same for me.|Next time, tie it to your belt.}", "{said|answered|laughed}") if t.rng.random() < 0.5 else None
    t.facts.update(object=t.thing, found=t.places[3], helper=t.friend, topic="a lost " + t.thing.noun, ask_found=True)
    return t.close(t.rng.choice(["two friends find more than one", "asking for help is no shame", "a good friend is worth more than any treasure", "it is best not to give up too early"]))


def rescue(t):
    """Somebody is in danger at sea, on ice or in the wood; courage and the right tool save them."""
    t.weather = t.rng.choice([w for w in world.WEATHERS if w.name in ("storm", "fog", "snow", "wind")])
    sea = t.weather.name != "snow"
    t.open()
    t.sky(1.0)
    t.say("{[a] {was just going home|was sitting by the window|stood on the hill|was carrying wood into the house} when [a he] heard {a cry|somebody calling|a faint voice}.|Suddenly [a he] heard {a cry|a faint voice}.}")
    t.say("\"{Help! Help!|Is anybody there?|Help me, please!|Can anybody hear me?}\" {cried|called} {a voice|somebody|a small voice}.")
    if sea:
        danger = t.rng.choice(["sat in a small boat that was drifting out to sea", "clung to a rock while the waves rose higher", "had been rowing, and the oar had broken"])
        where = "out on the water"
        tool, does = t.rng.choice([("a long rope", "threw the rope as far as [a he] could"), ("a lantern", "swung the lantern to show the way"), ("the red boat", "rowed out through the waves"), ("the big bell", "rang the bell until the fishermen came")])
    else:
        danger = t.rng.choice(["had fallen through the ice of the pond", "was stuck in the deep snow", "had lost the way in Whisper Wood"])
        where = "out in the cold"
        tool, does = t.rng.choice([("a ladder", "pushed the ladder over the ice"), ("a long rope", "threw the end of the rope"), ("a sledge", "pulled the sledge through the snow"), ("a lantern", "held the lantern high to show the way")])
    t.say(f"{{It was [b intro].|There was [b intro] {where}.|[a] saw [b intro] {where}.}} {{[b he] {danger}.|[b he] {danger}!|Poor [b]! [b he] {danger}.}}")
    t.mood(t.hero, "afraid", 0.7)
    t.speak(t.hero, "{Hold on, I am coming!|Do not be afraid!|Wait, I will get help!|I must do something.}", "{called|cried|shouted}")
    t.paragraph()
    if t.rng.random() < 0.6:
        t.say("{[a he] ran to [c the] [h at].|As fast as [a he] could, [a he] ran to [c the].}")
        t.speak(t.hero, f"{{We need {tool}!|Quick, bring {tool}!|[b] is in danger!}}", "{cried|called}")
        t.say(f"[c] {{did not ask any questions|jumped up at once|nodded}}. [c he] took {tool}, and they ran {{back|down the path}} together.")
    else:
        t.say(f"{{Then [a he] remembered that there was {tool} [q at].|[a he] looked around and saw {tool}.|Luckily, {tool} was close by.}}".replace("there was the", "they kept the"))
    t.say("{It was not easy, because TRB.|It was hard, for TRB.|}".replace("TRB", t.weather.trouble), 0.6)
    t.say(f"[a] {does}. {{Once, twice, and then it worked.|It took a long time.|[a his] arms hurt, but [a he] did not stop.|}}")
    t.say("{At last [b] was safe.|Soon [b] stood on dry land again.|In the end, [b] was saved.}" if sea else "{At last [b] was safe.|In the end, [b] was saved.|Soon [b] was back by a warm fire.}")
    t.speak(t.friend, "{You saved my life.|Thank you, [a call]. I was so afraid.|I will never forget this.|I thought that nobody would come.}", "{said|whispered}", "was cold and wet")
    t.say("{Then there was {hot soup|warm milk|tea with honey} for all.|[c] wrapped [b him] in a thick blanket.|The whole village talked about it for days.|}", 0.7)
    t.facts.update(helper=t.helper, friend=t.friend, topic={"storm": "a storm", "fog": "the fog", "snow": "the snow", "wind": "a brave rescue"}[t.weather.name], rescued=t.friend)
    return t.close(t.rng.choice(["being brave means to help although one is afraid", "a calm head is the best help", "nobody is alone in a village", "even a small one can save a life"]))


def journey(t):
    """A thing must be brought somewhere; the way is hard, a stranger helps, the receiver is glad."""
    t.open()
    t.say("{One day [c the] gave [a him] [o a].|[c the] came to [a] with [o a] in [c his] hands.|[a] had promised [c the] to help.}")
    t.speak(t.helper, "{Please bring this [o n] to [s].|Can you carry this [o n] to [s]?|This [o n] must be [s at] before dark.} {[b] is waiting for it.|It is for [b].|}", "said", "{looked worried|was in a hurry}")
    t.speak(t.hero, "{I will.|You can count on me.|I have never gone so far alone.|That is easy!}", "{said|answered}")
    t.sky(0.9)
    t.paragraph()
    t.say("{[a] set out at once.|So [a he] set out, with [o] {in a bag|under [a his] arm}.|[a he] packed a piece of bread and went on [a his] way.}")
    t.say("{The way led past [p].|First [a he] came to [p].|[a he] passed [p].} {|There, [p detail].}")
    obstacle = t.rng.choice(["the bridge was broken", "a fallen tree lay across the road", "the path ended at a deep ditch", "the road split in three"])
    t.say("{But near [q], OB.|Then [a he] had to stop, for OB.|After an hour [a he] stopped, because OB.}".replace("OB", obstacle) + " {And TRB.|}".replace("TRB", t.weather.trouble))
    t.mood(t.hero, "tired", 0.6)
    t.paragraph(0.4)
    who = t.anybody(unlike=t.hero)
    t.say("{Just then [w intro] came by.|On a stone sat [w intro].|[w intro] was resting there.}", w=who)
    way = {"the bridge was broken": ("There is a shallow place further up", "they crossed the river there"), "a fallen tree lay across the road": ("We can push it aside together", "they pushed until the tree rolled away"), "the path ended at a deep ditch": ("Take my hand and jump", "they jumped over the ditch together"), "the road split in three": ("Take the road on the left", "[a] took the road on the left")}[obstacle]
    t.speak(t.hero, "{Can you help me?|I have to go to [s]. How do I get there?|What shall I do now?}", "asked")
    t.speak(who, f"{way[0]}.", "{said|answered}", "{thought for a while|laughed}", w=who)
    t.say(f"{{So|And so}} {way[1]}.")
    t.say("{As a thank-you, [a] shared [a his] bread.|They shared the bread.|[a] thanked [w him] and hurried on.}", 0.8, w=who)
    t.paragraph(0.5)
    t.say("{At last [a he] reached [s].|When the bell rang, [a he] came to [s].|Late in the afternoon [a he] arrived [s at].}")
    t.say("{[b] was {waiting|standing} there.|There stood [b].|[b] opened the door.}")
    t.speak(t.friend, "{You really came!|At last! I was afraid that nobody would come.|Thank you, that is just what I needed.|How brave of you to come in this weather!}", "{cried|said}", "took [o]")
    t.mood(t.hero, "proud", 0.6)
    t.facts.update(object=t.thing, helper=who, giver=t.helper, friend=t.friend, goal=t.places[3], topic="a long walk")
    return t.close(t.rng.choice(["a promise is a promise", "the longest road is made of small steps", "one meets kind people on hard roads"]))


def mystery(t):
    """Something strange by night turns out to have a harmless cause."""
    t.open(dated=False)
    sign, cause, noun = t.rng.choice([
        ("a strange light was moving", "{who was looking for [b his] slippers with a lantern|who could not sleep and went for a walk with a candle}", "light"),
        ("something was knocking, knock, knock, knock", "{whose tail kept hitting an old barrel|who was trying to open a nut with a stone}", "noise"),
        ("somebody was singing very softly", "{who was practising a song for the feast|who sang because [b he] felt lonely}", "song"),
        ("bread kept disappearing", "{who had been feeding three hungry kittens|who was too shy to ask for food}", "thief"),
        ("there were big footprints in the mud", "{who was wearing boots that were much too big|who had borrowed the biggest boots in the village}", "footprints"),
        ("a shadow as tall as a tree was dancing", "{who stood in front of a lamp and danced to keep warm|who was chasing a moth around a candle}", "shadow")])
    t.say(f"{{One night|Every night that week|On a dark night}}, {sign} [p at].")
    t.say("{Nobody knew what it was.|The people of [village] were worried.|Some said that it was a ghost.|\"It is a ghost,\" said [c the].}")
    t.sky(0.4)
    t.speak(t.hero, "{I want to know what it is.|I do not believe in ghosts.|Somebody has to find out.|I am not afraid. Well, only a little.}", "said", "thought about it")
    t.paragraph()
    t.say("{So the next night [a he] took {a lantern|a stick|a blanket} and hid [p at].|When it was dark, [a he] crept to [p].|[a he] waited {behind a wall|behind a tree|under a cart} until the moon came out.}")
    t.mood(t.hero, "afraid", 0.8)
    t.say("{An owl called.|A branch cracked.|The clock struck twelve.|It was very quiet.|}")
    t.say(f"{{Then it came again.|There it was!|And then, there it was again.}} [a] {{took a deep breath|counted to three|held [a his] breath}} and {{stepped out|looked around the corner}}.")
    t.say(f"{{It was no ghost.|And what did [a he] see?|It was not a monster at all.}} It was [b intro], {cause}.".replace("[b intro],", "only [b intro],") if t.friend.kind not in world.JOB_PLACE else f"It was only [b the], {cause}.")
    t.speak(t.friend, "{Oh, did I frighten you?|Please do not tell anybody.|I am sorry. I did not want to frighten anybody.}", "{said|asked|whispered}", "jumped")
    t.speak(t.hero, "{Everybody thought that you were a ghost!|You frightened the whole village!|Come with me. You do not have to be alone at night.}", "{laughed|said}", "began to laugh")
    t.say("{The two laughed until their bellies hurt.|The next day, [a] told everybody, and the whole village laughed.|From then on, [b] was invited to supper every evening.|They became good friends.}")
    t.facts.update(helper=t.friend, culprit=t.friend, topic="a strange " + noun if noun not in ("footprints",) else "strange footprints", found=t.places[0], sign=noun)
    return t.close(t.rng.choice(["most ghosts are only somebody who is lonely", "fear grows smaller when one looks at it", "it is better to look than to guess"]))


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
