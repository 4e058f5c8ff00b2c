"""The frozen values that flow from loading to rendering, each part on those before it: `installed`, `solve`, `plan`.

Everything here is plain data, msgspec structs on the standard library, so that any module may import it and none depends
on an engine, a file or a clock. Values compare by content; collections are tuples in a fixed order, so that equal inputs
give equal bytes. Behaviour lives with whoever computes it: versions in `planner.versions`, files in `planner.load`.
"""
