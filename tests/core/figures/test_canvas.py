from featcx_core.figures.canvas import nothing_to_show, png


def test_png_is_900_pixels_wide_at_100_dots_and_the_same_each_time():
    figure = nothing_to_show("Why?", "no rows")
    data = png(figure, dots_per_inch=100)
    assert int.from_bytes(data[16:20], "big") == 900
    assert data == png(nothing_to_show("Why?", "no rows"), dots_per_inch=100)
