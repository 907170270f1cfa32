"""Random JSON schemas from a seed: every keyword that constrained decoding takes, nested, with references and recursion."""

import random

PATTERNS = ["^[a-z]{2,5}$", "[0-9]+", "^(yes|no|maybe)$", "^\\w+(-\\w+)*$", "^.{3,8}$", "^#[0-9a-fA-F]{6}$", "a.c", "^[^x]*$", "é|ü",
            "^\\S+ \\S+$", "[\"\\\\/]"]
FORMATS = ["date", "time", "date-time", "uuid", "email", "ipv4", "ipv6", "hostname", "duration"]
NAMES = ["id", "name", "a b", "ключ", "quote\"d", "back\\slash", "x", "value", "next", "tags", "é"]
VALUES = [None, True, False, 0, -3, 17, 2.5, "", "red", "two words", "\"quoted\"", "line\nbreak", [1, 2], {"k": "v"}, [], {}]


class Schemas:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.definitions = {}

    def document(self):
        schema = self.schema(0)
        if self.definitions:
            schema = dict(schema) if isinstance(schema, dict) else {}
            schema["$defs"] = self.definitions
        return schema

    def schema(self, depth):
        kinds = [self.string, self.string, self.number, self.integer, self.enum, self.const, self.boolean, self.null]
        if depth < 3:
            kinds += [self.object, self.object, self.object, self.array, self.array, self.any_of, self.one_of, self.all_of,
                      self.reference, self.types, self.patterns, self.conditional, self.negated, self.counted, self.closed]
        made = self.random.choice(kinds)(depth)
        if self.random.random() < 0.1:
            made = {"title": "a title", "description": "what it is", **made}
        return made

    def chance(self, p):
        return self.random.random() < p

    def string(self, depth):
        schema = {"type": "string"}
        kind = self.random.randrange(4)
        if kind == 1:
            low = self.random.randrange(4)
            schema.update(minLength=low, maxLength=low + self.random.randrange(12))
        elif kind == 2:
            schema["pattern"] = self.random.choice(PATTERNS)
            if self.chance(0.3):
                schema["maxLength"] = 30
        elif kind == 3:
            schema["format"] = self.random.choice(FORMATS)
        return schema

    def bounds(self, draw):
        schema = {}
        low = draw()
        if self.chance(0.6):
            schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if self.chance(0.6):
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = low + self.random.choice([2, 7, 1000, 123456])
        return schema

    def number(self, depth):
        return {"type": "number", **self.bounds(lambda: round(self.random.uniform(-100, 100), self.random.randrange(4)))}

    def integer(self, depth):
        schema = {"type": "integer", **self.bounds(lambda: self.random.randrange(-2000, 2000))}
        if self.chance(0.2):
            schema["multipleOf"] = self.random.choice([2, 3, 5, 10, 7])
            for name in ("maximum", "exclusiveMaximum"):
                if name in schema:
                    schema[name] += 20
        return schema

    def enum(self, depth):
        return {"enum": self.random.sample(VALUES, self.random.randrange(1, 6))}

    def const(self, depth):
        return {"const": self.random.choice(VALUES)}

    def boolean(self, depth):
        return {"type": "boolean"}

    def null(self, depth):
        return {"type": "null"}

    def types(self, depth):
        return {"type": self.random.sample(["null", "boolean", "integer", "number", "string", "array", "object"], 2), "minLength": 1,
                "minimum": 0, "maxItems": 3}

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randrange(0, 5))
        schema = {"type": "object", "properties": {name: self.schema(depth + 1) for name in names}}
        required = [name for name in names if self.chance(0.6)]
        if required or self.chance(0.3):
            schema["required"] = required
        if self.chance(0.5):
            schema["additionalProperties"] = self.random.choice([False, False, True, {"type": "integer"}, self.schema(depth + 1)])
        if self.chance(0.1):
            schema["minProperties"] = len(required)
        if self.chance(0.1):
            schema["maxProperties"] = len(required) + 2
        return schema

    def patterns(self, depth):
        schema = {"type": "object", "patternProperties": {"^x": self.schema(depth + 1), "[0-9]$": {"type": ["string", "integer", "null"]}}}
        if self.chance(0.5):
            schema["additionalProperties"] = self.random.choice([False, {"type": "boolean"}])
        if self.chance(0.3):
            schema["propertyNames"] = {"minLength": 2, "maxLength": 9}
        return schema

    def array(self, depth):
        schema = {"type": "array"}
        if self.chance(0.7):
            schema["items"] = self.schema(depth + 1)
        if self.chance(0.3):
            schema["prefixItems"] = [self.schema(depth + 1) for _ in range(self.random.randrange(1, 3))]
        low = self.random.randrange(3)
        if self.chance(0.5):
            schema["minItems"] = low
        if self.chance(0.5):
            schema["maxItems"] = low + self.random.randrange(4)
        return schema

    def any_of(self, depth):
        schema = {"anyOf": [self.schema(depth + 1) for _ in range(self.random.randrange(1, 4))]}
        if self.chance(0.2):
            schema["type"] = ["string", "object", "integer", "null"]
        return schema

    def one_of(self, depth):
        if self.chance(0.5):
            return {"oneOf": [{"type": "string", "maxLength": 9}, {"type": "integer"}, {"type": "null"}]}
        return {"oneOf": [{"type": "object", "properties": {"kind": {"const": tag}, "of": self.schema(depth + 1)}, "required": ["kind"]}
                          for tag in ("circle", "square")]}

    def all_of(self, depth):
        return {"allOf": [self.object(depth + 1), {"type": "object", "properties": {"both": self.schema(depth + 1)}}]}

    def conditional(self, depth):
        schema = self.object(depth + 1)
        names = list(schema["properties"]) or ["id"]
        name, other = self.random.choice(names), self.random.choice(NAMES)
        kind = self.random.randrange(3)
        if kind == 0:
            schema["if"] = {"properties": {name: self.enum(depth)}, "required": [name]}
            schema["then"] = {"required": [other]}
            if self.chance(0.5):
                schema["else"] = {"properties": {other: self.integer(depth)}}
        elif kind == 1:
            schema["dependentRequired"] = {name: [other]}
        else:
            schema["dependentSchemas"] = {name: {"properties": {other: self.string(depth)}}}
        return schema

    def negated(self, depth):
        return self.random.choice([
            {"type": "string", "not": {"enum": ["", "red", "two words"]}},
            {"type": "string", "minLength": 1, "not": {"pattern": "^[a-m]"}},
            {"type": "integer", "minimum": -50, "maximum": 50, "not": {"multipleOf": 3}},
            {"type": ["number", "null", "boolean"], "not": {"type": "integer"}},
            {"type": "number", "minimum": 0, "maximum": 4, "not": {"minimum": 1, "maximum": 3}},
            {"not": {"type": ["object", "array", "string"]}},
            {"oneOf": [{"type": "integer", "maximum": 10}, {"type": "number", "minimum": 5, "maximum": 90}]}])

    def counted(self, depth):
        return self.random.choice([
            {"type": "array", "items": {"enum": ["a", "b", 1, True, None]}, "uniqueItems": True, "minItems": 2},
            {"type": "array", "items": {"type": ["integer", "string"], "maxLength": 4}, "contains": {"type": "integer"}, "minContains": 2,
             "maxContains": 3},
            {"type": "array", "contains": self.enum(depth), "maxItems": 4},
            {"type": "number", "multipleOf": 0.25, "minimum": -3, "maximum": 40}])

    def closed(self, depth):
        schema = {"type": "object", "allOf": [self.object(depth + 1)], "properties": {"own": self.schema(depth + 1)}}
        for one in schema["allOf"]:
            one.pop("additionalProperties", None)
        schema["unevaluatedProperties"] = self.random.choice([False, {"type": "integer"}])
        return schema

    def reference(self, depth):
        name = f"node{len(self.definitions)}"
        if self.definitions and self.chance(0.4):
            name = self.random.choice(list(self.definitions))
        else:
            self.definitions[name] = {}
            self.definitions[name] = {
                "type": "object", "required": ["value"],
                "properties": {"value": self.schema(2), "next": {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]},
                               "children": {"type": "array", "items": {"$ref": f"#/$defs/{name}"}, "maxItems": 2}}}
        return {"$ref": f"#/$defs/{name}"}
