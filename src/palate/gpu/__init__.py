"""Half-steps and lists on a graphics card, by PyTorch (the extra ``gpu``).

`device` chooses the card, `table` cuts a table into blocks of rows of like length, `rows` solves for them, `normals`
draws, and `ranker` ranks items for many users. PyTorch is imported only where a card is asked for.
"""
