"""Provider packages with one thing wrong: slug, changed files, and the findings that compliance must give."""

CLASS = "class B:\n    async def list(self, credential, http): ...\n"
FAULTS: list[tuple[str, dict[str, str | None], list[str]]] = [
    ("nobehaviour", {"models.py": "X = 1"}, ["E010", "E016"]),
    ("missing", {"oauth.py": None}, ["E009"]),
    ("badmodels", {"models.json": "{{}}"}, ["E017"]),
    ("noprovider", {"__init__.py": ""}, ["E004"]),
    ("renamed", {"__init__.py": '{src}slug="other"'}, ["E005"]),
    ("badimport", {"models.py": "import no_such_module"}, ["E003", "E016"]),
    ("capability", {"__init__.py": '{src}"chat"->"telepathy"'}, ["E006", "W001"]),
    ("authtype", {"__init__.py": '{src}("api_key",)->("api_key", "magic")'}, ["E007"]),
    ("noauth", {"__init__.py": '{src}("api_key",)->()'}, ["E007", "W003"]),
    ("noconfig", {"config.py": None}, ["E008"]),
    ("wrongconfig", {"config.py": "Config = dict"}, ["E008"]),
    (
        "incomplete",
        {
            "config.py": "from pydantic import BaseModel, ConfigDict\n"
            "class Config(BaseModel):\n    model_config = ConfigDict(frozen=True)\n    key: str\n"
        },
        ["E008", "W002"],
    ),
    (
        "thawed",
        {
            "config.py": "from pydantic import BaseModel, Field\n"
            "class Config(BaseModel):\n    a: str = Field(default='', description='x')\n"
        },
        ["E008"],
    ),
    ("member", {"models.py": CLASS + "BEHAVIOUR = B()"}, ["E011"]),
    ("signature", {"models.py": CLASS + "    async def get(self, model_id): ...\nBEHAVIOUR = B()"}, ["E012"]),
    (
        "synchronous",
        {"models.py": CLASS + "    def get(self, model_id, credential, http): ...\nBEHAVIOUR = B()"},
        ["E013"],
    ),
    (
        "asynchronous",
        {
            "streaming.py": "from providers_app.dialects.openai_chat import DIALECT\nclass S:\n    dialect = DIALECT\n"
            "    async def build(self, chat, credential): ...\nBEHAVIOUR = S()"
        },
        ["E014"],
    ),
    (
        "dialectless",
        {
            "streaming.py": "class S:\n    dialect = object()\n"
            "    def build(self, chat, credential): ...\nBEHAVIOUR = S()"
        },
        ["E011"] * 4,
    ),
    (
        "severaldialects",
        {
            "streaming.py": "from providers_app.dialects.openai_chat import DIALECT\nclass S:\n    dialect = DIALECT\n"
            "    def build(self, chat, credential): ...\n    def dialect_of(self, model): ...\nBEHAVIOUR = S()"
        },
        ["E012"],
    ),
    *(
        (
            slug,
            {
                "streaming.py": "from providers_app.dialects.openai_chat import OpenAIChat\n"
                "from providers_app.types.continuing import Continuing\n"
                f"class D(OpenAIChat, frozen=True):\n    def continuing(self, chat): return {returned}\n"
                "class S:\n    dialect = D()\n    def build(self, chat, credential): ...\nBEHAVIOUR = S()"
            },
            found,
        )
        for slug, returned, found in (
            ("wayless", "Continuing(ways=('fly',))", ["E018"]),
            ("misordered", "Continuing(ways=('restart', 'instruct'))", ["E018"]),
            ("uncontinued", "None", ["E018"]),
            ("unable", "1 / 0", ["E018"]),
            ("cursorless", "Continuing(ways=('cursor',))", ["E011", "E011"]),
        )
    ),
    (
        "claims",
        {"models.py": "from providers_app.behaviours.protocols import Unsupported\nBEHAVIOUR = Unsupported('no')"},
        ["E016"],
    ),
    (
        "keyless",
        {"api_key.py": "from providers_app.behaviours.protocols import Unsupported\nBEHAVIOUR = Unsupported('no')"},
        ["E015"],
    ),
    ("untyped", {"__init__.py": '{src}monogram="Ex"->monogram=None'}, ["E004"]),
    ("listed", {"__init__.py": '{src}("api_key",)->["api_key"]'}, ["E004"]),
    ("setless", {"__init__.py": '{src}Capabilities(names=frozenset({"chat", "streaming", "models"}))->None'}, ["E004"]),
    (
        "failing",
        {
            "streaming.py": "class S:\n    @property\n    def dialect(self): return 1 / 0\n"
            "    def build(self, chat, credential): ...\nBEHAVIOUR = S()"
        },
        ["E011"],
    ),
    ("nameless", {"__init__.py": '{src}"Ex"->"Example"'}, ["W004"]),
    (
        "toolsonly",
        {
            "__init__.py": '{src}{"chat", "streaming", "models"}->{"models", "tools", "reasoning"}',
            "streaming.py": "from providers_app.behaviours.protocols import Unsupported\nBEHAVIOUR = Unsupported('no')",
        },
        ["E016", "E016"],
    ),
    (
        "reducerless",
        {
            "streaming.py": "from providers_app.dialects.openai_chat import DIALECT\nclass D:\n    name = 'd'\n"
            "    build_body = staticmethod(DIALECT.build_body)\n"
            "    error = staticmethod(DIALECT.error)\n    def reducer(self): return object()\n"
            "class S:\n    dialect = D()\n    def build(self, chat, credential): ...\nBEHAVIOUR = S()"
        },
        ["E011", "E011"],
    ),
    (
        "twice",
        {
            "api_key.py": "class K:\n    def validate(self, key): ...\n"
            "    def authorize(self, credential, request): ...\nBEHAVIOUR = K()",
            "streaming.py": "class S:\n    dialect = object()\n"
            "    def build(self, chat, credential): ...\nBEHAVIOUR = S()",
        },
        ["E011"] * 5,
    ),
    ("json", {}, ["E001"]),
]
