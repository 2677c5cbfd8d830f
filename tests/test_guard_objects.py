"""Whatever a model holds comes out as it went in, by the base types' own methods, and what can't is said."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
import random
import threading
import types
from typing import NamedTuple

import numpy as np
import pytest
import state
import torch
from torch import nn

import reportgen
from reportgen.guard import objects, untouched


def holding(value):
    """A module with this in an attribute."""
    model = nn.Linear(2, 2)
    model.held = value
    return model


# --- containers that forbid what is done to them ------------------------------------------------------------


class Frozen(collections.OrderedDict):
    """As diffusers' FrozenDict: it fills itself, and nobody else may."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            setattr(self, key, value)
        self.__frozen = True

    def forbidden(self, *_, **__):
        raise Exception("not on a frozen dict")

    __delitem__ = setdefault = pop = update = clear = forbidden

    def __setitem__(self, name, value):
        if "_Frozen__frozen" in self.__dict__:
            self.forbidden()
        super().__setitem__(name, value)

    def __setattr__(self, name, value):
        if "_Frozen__frozen" in self.__dict__:
            self.forbidden()
        super().__setattr__(name, value)


class Emptied(dict):
    def copy(self):
        return Emptied()

    def update(self, *_, **__):
        pass

    def items(self):
        return []

    __iter__ = items


class ReadOnly(list):
    def forbidden(self, *_):
        raise TypeError("read-only")

    __setitem__ = __delitem__ = append = clear = extend = copy = __iter__ = forbidden


class Strict(set):
    def forbidden(self, *_):
        raise TypeError("strict")

    copy = clear = update = add = discard = __iter__ = forbidden


class Watched(collections.deque):
    def __init__(self):
        super().__init__([1, 2], maxlen=2)

    def clear(self):
        raise TypeError("watched")


CONTAINERS = {
    "frozen": (Frozen(a=1, b=[2]), collections.OrderedDict.__setitem__, ("c", 3)),
    "emptied": (Emptied(a=1), dict.__setitem__, ("c", 3)),
    "read-only": (ReadOnly([1, 2]), list.append, (3,)),
    "strict": (Strict([1, 2]), set.add, (3,)),
    "watched": (Watched(), collections.deque.append, (3,)),
    "default": (collections.defaultdict(list, a=[1]), collections.defaultdict.__getitem__, ("c",)),
    "counter": (collections.Counter("aab"), collections.Counter.update, ("c",)),
    "bytes": (bytearray(b"abc"), bytearray.extend, (b"d",)),
    "array": (array.array("i", [1, 2]), array.array.append, (3,)),
}


def seen(value):
    """What is in a container, without its own methods."""
    for base in (collections.OrderedDict, dict):
        if isinstance(value, base):
            return list(base.items(value)), dict(value.__dict__) if hasattr(value, "__dict__") else None
    base = next(
        base for base in (list, set, collections.deque, bytearray, array.array) if isinstance(value, base)
    )
    return list(base.__iter__(value))


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_of_any_class_keeps_its_contents(kind, changed):
    value, change, arguments = CONTAINERS[kind]
    before = seen(value)
    with untouched(holding(value)) as said:
        if changed:
            change(value, *arguments)
    assert seen(value) == before
    assert not said


def test_the_order_of_a_dict_and_what_was_put_in_its_place_come_back():
    value = {"a": [1], "b": [2]}
    first, ordered = value["a"], collections.OrderedDict(x=1, y=2)
    with untouched(holding((value, ordered))):
        value["a"] = value.pop("b")
        ordered.move_to_end("x")
    assert list(value) == ["a", "b"]
    assert value["a"] is first
    assert list(ordered) == ["x", "y"]


def test_what_is_as_it_was_is_not_written_to():
    class Noisy(dict):
        writes = 0

    writes = []

    class Cell(nn.Module):
        def __setattr__(self, name, value):
            writes.append(name)
            super().__setattr__(name, value)

    model = Cell()
    writes.clear()
    with untouched(model):
        pass
    assert writes == []


# --- generators ---------------------------------------------------------------------------------------------

GENERATORS = {
    "torch": (lambda: torch.Generator().manual_seed(3), lambda g: torch.rand(2, generator=g).tolist()),
    "RandomState": (lambda: np.random.RandomState(3), lambda g: g.rand(2).tolist()),
    "default_rng": (lambda: np.random.default_rng(3), lambda g: g.random(2).tolist()),
    "bit generator": (lambda: np.random.MT19937(3), lambda g: g.random_raw(2).tolist()),
    "Random": (lambda: random.Random(3), lambda g: [g.random(), g.gauss(0, 1)]),
}


class Holder:
    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("other", "value")

    def __init__(self, value):
        self.value = value


PLACES = {
    "attribute": lambda g: g,
    "list": lambda g: [g],
    "tuple in a dict": lambda g: {"a": (1, (g,))},
    "object": Holder,
    "object with slots": Slotted,
    "partial": lambda g: functools.partial(print, g),
    "bound method": lambda g: types.MethodType(lambda self: None, g),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_random_generator_goes_on_where_it_was(kind, place):
    make, draw = GENERATORS[kind]
    generator, expected = make(), draw(make())
    with untouched(holding(PLACES[place](generator))) as said:
        assert draw(generator) == expected
    assert draw(generator) == expected
    assert not said


# --- objects ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Settings:
    sizes: list


@dataclasses.dataclass(slots=True)
class Cache:
    keys: list
    length: int = 0


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


def test_attributes_of_plain_objects_and_of_those_with_slots_come_back():
    holder, slotted = Holder([1]), Slotted(1)
    settings, cache, space = Settings([1]), Cache([torch.zeros(2)]), types.SimpleNamespace(n=0)
    of_thread = threading.local()
    tensor = cache.keys[0]
    with untouched(holding([holder, slotted, settings, cache, space, of_thread])):
        holder.value.append(2)
        holder.new = 1
        del slotted.value
        slotted.other = 2
        object.__setattr__(settings, "sizes", None)
        cache.keys[0] += 1
        cache.keys.append(2)
        cache.length = 3
        space.n += 1
        of_thread.x = 1
        holder.__class__ = type("Cell", (Holder,), {})
    assert vars(holder) == {"value": [1]}
    assert type(holder) is Holder
    assert slotted.value == 1
    assert not hasattr(slotted, "other")
    assert settings.sizes == [1]
    assert not hasattr(of_thread, "x")
    assert cache.keys[0] is tensor
    assert tensor.tolist() == [0, 0]
    assert (len(cache.keys), cache.length, space.n) == (1, 0, 0)


def test_tensors_in_tuples_and_at_any_depth_come_back():
    pair = Pair(torch.zeros(2), torch.zeros(2))
    deep = torch.zeros(2)
    value = [deep]
    for _ in range(50):
        value = ({"in": [value]},)
    with untouched(holding({"pair": pair, "deep": value})):
        pair.left.add_(1)
        pair[1].add_(1)
        deep.add_(1)
    assert pair.left.tolist() == pair.right.tolist() == deep.tolist() == [0, 0]


def test_a_model_that_holds_itself_in_a_circle_is_walked_once():
    model = holding([])
    model.held.append(model.held)
    object.__setattr__(model, "me", Holder(model))
    with untouched(model) as said:
        model.held.append(1)
        model.me.value = None
    assert len(model.held) == 1
    assert model.me.value is model
    assert not said


def test_what_is_beyond_the_bound_is_said_and_the_nearest_is_put_back(monkeypatch):
    monkeypatch.setattr(objects, "MOST", 3000)
    near, far = [1], [list(range(10)) for _ in range(200)]
    model, x = nn.Sequential(*(nn.Linear(2, 2) for _ in range(200))), torch.zeros(2)
    model.held = {"near": near, "far": far}
    before = state.of_model(model)
    with untouched(model, x) as said:
        near.append(2)
        x.add_(1)
        for parameter in model.parameters():
            parameter.data.add_(1)
    assert near == [1]
    assert x.tolist() == [0, 0]
    assert state.of_model(model) == before
    assert "3,000" in next(iter(said.unwatched))
    assert not said.changed


def test_a_part_that_raises_at_every_look_costs_nothing_else():
    class Hostile:
        __slots__ = ()

        def __getattribute__(self, name):
            raise RuntimeError("no")

        def __eq__(self, other):
            raise RuntimeError("no")

        def __hash__(self):
            return 1

        def __bool__(self):
            raise RuntimeError("no")

    value = [Hostile(), {Hostile(): 1}]
    model = holding(value)
    before = state.of_model(model)
    with untouched(model):
        value.append(1)
        model.weight.data.add_(1)
    assert len(value) == 2
    assert state.of_model(model) == before


def test_what_cant_be_put_back_is_said_and_the_rest_is_put_back():
    buffer = bytearray(b"abc")
    model = holding(buffer)
    before = state.of_model(model)
    with untouched(model) as said:
        buffer.append(1)
        view = memoryview(buffer)  # while there is one, the size can't change
        model.weight.data.add_(1)
    assert state.of_model(model) == before
    (line,) = said.changed
    assert line.startswith("it can't be put back: BufferError")
    assert "held" in said.changed[line]
    view.release()


# --- classes and functions ----------------------------------------------------------------------------------


def helper(x):
    helper.calls += 1
    return x


helper.calls = 0


class Total:
    value = 0


class Counting(nn.Module):
    calls = 0
    seen: list = []  # noqa: RUF012 - of the class, as it is meant
    last = None

    def forward(self, x, memory=[], *, more={}):  # noqa: B006 - as it is meant
        type(self).calls += 1
        Counting.seen.append(1)
        Counting.fresh = 1
        Counting.last = x
        Counting.forward.calls = getattr(Counting.forward, "calls", 0) + 1
        memory.append(1)
        more["a"] = 1
        Total.value += 1
        return helper(x)

    @staticmethod
    def tool():
        Counting.tool.calls = 1

    @property
    def size(self):
        return 1


def test_attributes_of_classes_and_functions_and_default_values_come_back():
    model = Counting()
    with untouched(model) as said:
        model(torch.zeros(1))
        model.tool()
        Counting.extra_repr = lambda self: "patched"
        del Counting.size
    assert (Counting.calls, Counting.seen, Counting.last, Total.value, helper.calls) == (0, [], None, 0, 0)
    assert not hasattr(Counting, "fresh")
    assert not hasattr(Counting.forward, "calls")
    assert not hasattr(Counting.tool, "calls")
    assert Counting.forward.__defaults__ == ([],)
    assert Counting.forward.__kwdefaults__ == {"more": {}}
    assert "extra_repr" not in vars(Counting)
    assert model.size == 1
    assert not said


def test_a_method_of_torchs_own_class_that_was_replaced_comes_back():
    forward = nn.Linear.forward
    with untouched(nn.Linear(1, 1)):
        nn.Linear.forward = lambda self, x: x
        nn.Linear.mark = 1
    assert nn.Linear.forward is forward
    assert not hasattr(nn.Linear, "mark")


# --- arrays -------------------------------------------------------------------------------------------------


def test_arrays_of_every_kind_come_back():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    objects_, record, strided = (
        np.array([[1], None], dtype=object),
        np.zeros(2, "i4,f8"),
        np.zeros((4, 4))[::2],
    )
    shaped = np.zeros(4)
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    with untouched(holding([masked, objects_, record, strided, fixed, shaped])) as said:
        masked[1] = 9
        masked.mask[1] = True
        objects_[0].append(2)
        objects_[1] = 3
        record["f1"] = 5
        strided += 1
        shaped.shape = (2, 2)
        shaped[0, 0] = 7
    assert masked.data.tolist() == [1, 2]
    assert masked.mask.tolist() == [True, False]
    assert objects_.tolist() == [[1], None]
    assert record["f1"].tolist() == [0, 0]
    assert not strided.any()
    assert shaped.tolist() == [0, 0, 0, 0]
    assert not said


# --- the data -----------------------------------------------------------------------------------------------


class Augmented(torch.utils.data.Dataset):
    """Draws its noise from a generator of its own, and counts how often it was asked."""

    def __init__(self):
        self.rng, self.asked, self.x = np.random.default_rng(3), 0, torch.rand(12, 4)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, number):
        self.asked += 1
        return self.x[number] + float(self.rng.normal()), number % 3


def test_the_generators_and_counters_of_the_data_go_on_where_they_were():
    data = Augmented()
    loader = torch.utils.data.DataLoader(
        data, 4, shuffle=True, generator=torch.Generator().manual_seed(1), num_workers=0
    )
    before = (repr(data.rng.bit_generator.state), loader.generator.get_state().tolist(), data.asked)
    asked = []
    report = reportgen.collect(
        nn.Linear(4, 3),
        data=loader,
        samples=1,
        sections=["evaluation"],
        progress=lambda _: asked.append(data.asked),
    )
    assert (repr(data.rng.bit_generator.state), loader.generator.get_state().tolist(), data.asked) == before
    assert max(asked) > 0
    assert not report.failed
